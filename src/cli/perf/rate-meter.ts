/** Marks kept: enough to find the best stretch of a run, few enough to be searched at once. */
const MARKS = 1024;
/** The peak is the best rate over this part of the run at least. */
const STRETCH = 1 / 16;

/** Notes how many messages were done when, in constant memory; tells average and peak rate. */
export class RateMeter {
  private readonly times = new Float64Array(MARKS);
  private readonly counts = new Float64Array(MARKS);
  private used = 0;
  private stride = 1;
  private skipped = 0;
  private lastTime = 0;
  private lastCount = 0;

  start(): void {
    this.used = 0;
    this.mark(performance.now(), 0);
  }

  /** `count` messages are done, in all. */
  note(count: number): void {
    const now = performance.now();
    this.lastTime = now;
    this.lastCount = count;
    if (++this.skipped < this.stride) return;
    this.skipped = 0;
    this.mark(now, count);
  }

  private mark(time: number, count: number): void {
    if (this.used === MARKS) this.thin();
    this.times[this.used] = time;
    this.counts[this.used] = count;
    this.used++;
    this.lastTime = time;
    this.lastCount = count;
  }

  /** Every second mark goes, and from now on half as many come. */
  private thin(): void {
    for (let i = 0; i < MARKS / 2; i++) {
      this.times[i] = this.times[2 * i];
      this.counts[i] = this.counts[2 * i];
    }
    this.used = MARKS / 2;
    this.stride *= 2;
  }

  get seconds(): number {
    return this.used === 0 ? 0 : (this.lastTime - this.times[0]) / 1000;
  }

  /** Messages per second, from the start to the last. */
  get average(): number {
    return this.seconds === 0 ? 0 : this.lastCount / this.seconds;
  }

  get peak(): number {
    const least = this.seconds * 1000 * STRETCH;
    let best = this.average;
    let from = 0;
    for (let to = 1; to < this.used; to++) {
      while (from + 1 < to && this.times[to] - this.times[from + 1] >= least) from++;
      const ms = this.times[to] - this.times[from];
      if (ms >= least && ms > 0) best = Math.max(best, ((this.counts[to] - this.counts[from]) / ms) * 1000);
    }
    return best;
  }
}
