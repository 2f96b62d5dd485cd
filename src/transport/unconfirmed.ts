// What unreliable queue pairs have sent to one destination that its engine is not known to have taken in. UC and UD are made
// for fabrics that lose nothing because a full receiver stops its senders (priority flow control); a receiver here is a socket
// whose buffer overflows while its process does not run, so the sender has to stop by itself. prober.ts asks and answers.
import type { Path } from './port.ts';
import type { SoftQp } from './qp.ts';
import { PACKET_OVERHEAD } from './window.ts';

/** What may be on its way before the first answer says how much: small, for many may begin at once. */
const START = 32 * 1024;
const START_SHARE = 1 / 8;
/** A grant is taken as at least and at most so much: the least is a packet, which may always be on its way. */
const LEAST = 4096 + PACKET_OVERHEAD;
const MOST = 64 * 1024 * 1024;
/** A probe is sent each time so much of the window has been sent. */
const PROBE_EACH = 1 / 4;
/** The same part is left to datagrams when RC has all the rest in flight. */
const FLOOR = 1 / 4;
/** After so long (microseconds) the grant may be others': the window begins anew. */
const STALE_US = 50_000;

export class Unconfirmed {
  /** By which an answer is known to be one, and whose. */
  readonly token: number;
  private readonly start: number;
  private limit: number;
  /** Each packet with its overhead, all that were ever sent, and what of it has been confirmed or is given up. */
  private sent = 0;
  private confirmed = 0;
  private probed = 0;
  private probedAt = 0;
  /** The way that was taken last: probes must stay behind the packets. */
  path: Path | null = null;
  waiters: SoftQp[] = [];
  /** Has it ever answered? */
  heard = false;
  /** It has not answered for so long that it is sent to without a window. */
  mute = false;
  /** Windows given up one after the other. */
  misses = 0;
  // The prober's clock, while queue pairs wait.
  waiting = false;
  /** Since when queue pairs wait without anything being confirmed; Infinity: they do not. */
  stalledSince = Number.POSITIVE_INFINITY;
  probeAgainAt = 0;
  interval = 0;

  /** `window`: bytes that the receiver's buffer is thought to hold. */
  constructor(window: number, token: number) {
    this.start = Math.min(START, window * START_SHARE);
    this.limit = this.start;
    this.token = token;
  }

  /** May a packet that costs `cost` be sent? One always may when nothing else is on its way. */
  admits(cost: number, reliable: number): boolean {
    const out = this.sent - this.confirmed;
    if (this.mute || out === 0) return true;
    const { limit } = this;
    return out + cost <= Math.max(limit * FLOOR, limit - reliable);
  }

  /** A packet left by `path`. Is a probe to follow it? */
  add(cost: number, path: Path, now: number): boolean {
    this.path = path;
    this.sent += cost;
    if (this.mute) {
      this.confirmed = this.sent;
      return now - this.probedAt >= STALE_US;
    }
    return this.sent - this.probed >= this.limit * PROBE_EACH;
  }

  /** Is there nothing on its way whose answer would tell of all? */
  get unasked(): boolean {
    return this.probed <= this.confirmed;
  }

  /** What a probe says now. */
  get count(): number {
    return this.sent >>> 0;
  }

  asked(now: number): void {
    if (now - this.probedAt > STALE_US && !this.waiting) this.limit = this.start;
    this.probed = this.sent;
    this.probedAt = now;
  }

  /** An answer: what was sent up to `count` has been taken in, and so much may be on its way. */
  answered(count: number, grant: number): void {
    this.heard = true;
    this.mute = false;
    const more = (count - (this.confirmed >>> 0)) | 0;
    if (more > 0 && more <= this.sent - this.confirmed) {
      this.confirmed += more;
      this.misses = 0;
      this.stalledSince = Number.POSITIVE_INFINITY;
    }
    this.limit = Math.min(MOST, Math.max(LEAST, grant));
  }

  /** It did not answer: what is on its way counts as arrived, and after `patience` times of this there is no window. */
  giveUp(patience: number): void {
    this.confirmed = this.sent;
    this.stalledSince = Number.POSITIVE_INFINITY;
    this.misses++;
    if (this.misses >= patience) this.mute = true;
  }
}
