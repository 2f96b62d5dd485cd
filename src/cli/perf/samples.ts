// Latency samples and what is told of them.

/** Samples kept; of more, every second, fourth … is. */
const LIMIT = 1 << 21;

/** Microseconds. */
export interface LatencyStats {
  readonly min: number;
  readonly max: number;
  /** The median. */
  readonly typical: number;
  readonly avg: number;
  readonly stdev: number;
  readonly p99: number;
  readonly p999: number;
}

export class Samples {
  private readonly values: Float64Array;
  private used = 0;
  private stride = 1;
  private skipped = 0;
  private least = Number.POSITIVE_INFINITY;
  private most = 0;
  private sum = 0;
  private squares = 0;
  /** Samples taken. */
  count = 0;

  /** `expected` may be Infinity. */
  constructor(expected: number) {
    this.values = new Float64Array(Math.max(2, Math.min(expected, LIMIT)));
  }

  add(us: number): void {
    this.count++;
    this.sum += us;
    this.squares += us * us;
    if (us < this.least) this.least = us;
    if (us > this.most) this.most = us;
    if (++this.skipped < this.stride) return;
    this.skipped = 0;
    if (this.used === this.values.length) {
      this.used >>= 1;
      for (let i = 0; i < this.used; i++) this.values[i] = this.values[2 * i];
      this.stride *= 2;
    }
    this.values[this.used++] = us;
  }

  stats(): LatencyStats {
    const { count } = this;
    if (count === 0) return { min: 0, max: 0, typical: 0, avg: 0, stdev: 0, p99: 0, p999: 0 };
    const sorted = this.values.slice(0, this.used).sort();
    // The nearest rank.
    const at = (p: number): number => sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)];
    const avg = this.sum / count;
    return {
      min: this.least,
      max: this.most,
      typical: at(0.5),
      avg,
      stdev: Math.sqrt(Math.max(0, this.squares / count - avg * avg)),
      p99: at(0.99),
      p999: at(0.999),
    };
  }
}
