// One line on the terminal that tells how far a long measurement is.

const FIRST_MS = 1000;
const EVERY_MS = 250;

export class Progress {
  private timer: NodeJS.Timeout | null = null;
  private shown = false;
  private readonly out = process.stderr;

  /** Watches a measurement: shown from the first second on, if stderr is a terminal. */
  start(size: number, iters: number, seconds: number | null, count: () => number): void {
    this.stop();
    if (!this.out.isTTY) return;
    const startedAt = performance.now();
    this.timer = setInterval(() => {
      const elapsed = performance.now() - startedAt;
      if (elapsed < FIRST_MS) return;
      const done = count();
      const part = seconds === null ? done / iters : elapsed / 1000 / seconds;
      const percent = Number.isFinite(part) ? `${Math.min(100, Math.floor(part * 100))}%, ` : '';
      this.out.write(`\r\x1b[K${size} bytes: ${percent}${done} messages, ${(elapsed / 1000).toFixed(1)} s`);
      this.shown = true;
    }, EVERY_MS);
    this.timer.unref();
  }

  /** Takes the line away. */
  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    if (this.shown) this.out.write('\r\x1b[K');
    this.shown = false;
  }
}
