// The rate of what no window holds back, READ responses and unreliable connections, once a peer has notified of congestion.

/** A peer notifies at most this often (microseconds), and what is known of congestion is worth less after each such time. */
const PERIOD_US = 55;
const WEIGHT = 1 / 16;
/** After a cut the rate comes back half of the way in each period; after so many it goes beyond. */
const RECOVERY = 5;
/** Bytes per microsecond that the rate is then raised by in each period; ten times as much after as many periods again. */
const RAISE = 2;
/** Bytes per microsecond that are always allowed. */
const LEAST = 5;
/** So many periods without a notification: no limit. */
const FORGET = 400;
/** What was not sent in its time may be sent later, but no more than of so many microseconds. */
const BURST_US = 10;

/**
 * The reaction point of DCQCN ("Congestion Control for Large-Scale RDMA Deployments", SIGCOMM 2015): a notification cuts the
 * rate, and it grows again with time. Computed when it is asked for; it needs no timer of its own.
 */
export class Pace {
  /** Bytes per microsecond; Infinity: as fast as it goes. */
  rate = Number.POSITIVE_INFINITY;
  private target = 0;
  private congestion = 1;
  private periodAt = 0;
  private periods = 0;
  private freeAt = 0;
  // What was sent since a notification, to know the rate when the next one comes.
  private bytes = 0;
  private since = Number.NEGATIVE_INFINITY;

  /** Time when the next packet may be sent: now or earlier, at once. */
  readyAt(now: number): number {
    if (this.rate === Number.POSITIVE_INFINITY) return now;
    this.raise(now);
    return this.rate === Number.POSITIVE_INFINITY ? now : this.freeAt;
  }

  sent(bytes: number, now: number): void {
    this.bytes += bytes;
    if (this.rate !== Number.POSITIVE_INFINITY) {
      this.freeAt = Math.max(this.freeAt, now - BURST_US) + bytes / this.rate;
    }
  }

  /** The peer has notified of congestion. */
  notified(now: number): void {
    const elapsed = now - this.since;
    if (this.rate === Number.POSITIVE_INFINITY) {
      const known = elapsed > 0 && elapsed < FORGET * PERIOD_US && this.bytes > 0;
      const measured = this.bytes / elapsed;
      this.since = now;
      this.bytes = 0;
      if (!known) return;
      this.rate = measured;
      this.congestion = 1;
      this.freeAt = now;
    } else this.raise(now);
    this.target = this.rate;
    this.rate = Math.max(LEAST, this.rate * (1 - this.congestion / 2));
    this.congestion = this.congestion * (1 - WEIGHT) + WEIGHT;
    this.periodAt = now;
    this.periods = 0;
  }

  private raise(now: number): void {
    while (now - this.periodAt >= PERIOD_US) {
      this.periodAt += PERIOD_US;
      this.congestion *= 1 - WEIGHT;
      const n = ++this.periods;
      if (n > FORGET) {
        this.rate = Number.POSITIVE_INFINITY;
        this.since = Number.NEGATIVE_INFINITY;
        return;
      }
      if (n > RECOVERY) this.target += n > 2 * RECOVERY ? 10 * RAISE : RAISE;
      this.rate = (this.rate + this.target) / 2;
    }
  }
}
