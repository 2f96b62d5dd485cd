// What may be in flight: a receiver is a socket with a buffer of limited size, and what overflows it is lost; and on the way to
// it there are queues that others use too.
import type { SoftQp } from './qp.ts';

/** What a packet costs in a receiver's buffer beyond its bytes. */
export const PACKET_OVERHEAD = 512;

/** What a window that has met congestion keeps at least; a queue pair may have one packet in flight all the same. */
const LEAST = 3072;
/** A path begins with so much, and doubles it each time it has been acknowledged, until it meets congestion. */
const START = 64 * 1024;
/** Losses so soon after another, in microseconds, are the same event. */
const ONE_LOSS_US = 200;
/** Congestion is looked at as often: the interval at which receivers notify of it. */
const ONE_MARK_US = 50;
/** Weight of a notification in the estimate of congestion, and of a window acknowledged without one. */
const WEIGHT = 1 / 16;
/** Packets gained in the time a whole window is acknowledged. */
const GAIN = 0.5;

/**
 * Small when something is lost, because all that was sent after it is still in the queues and will be sent again, and growing
 * as packets are acknowledged: fast up to half of what it was, then slowly (slow start and congestion avoidance, RFC 5681
 * section 3.1), up to what the receiver's buffer is thought to hold. A congestion notification takes the less the rarer they
 * are (as in DCTCP, RFC 8257). Many senders to one receiver, or a receiver with less memory than ours, find their shares.
 */
export class PeerWindow {
  limit: number;
  private readonly most: number;
  /** Below this it doubles. */
  private threshold: number;
  private limitBefore = 0;
  private thresholdBefore = 0;
  private lostAt = Number.NEGATIVE_INFINITY;
  private markedAt = Number.NEGATIVE_INFINITY;
  /** How much congestion there is, from 0 to 1. */
  private congestion = 1;
  /** Acknowledged since the last notification. */
  private unmarked = 0;
  used = 0;
  waiters: SoftQp[] = [];

  /** `start`: what it begins with. */
  constructor(most: number, start: number = START) {
    this.limit = Math.min(most, start);
    this.most = most;
    this.threshold = most;
  }

  /** Something in flight was lost. */
  lost(now: number): void {
    if (now - this.lostAt < ONE_LOSS_US) return;
    this.lostAt = now;
    this.limitBefore = this.limit;
    this.thresholdBefore = this.threshold;
    this.cut(0.5);
    this.limit = Math.min(LEAST, this.most);
  }

  /** What was taken for lost has arrived, only late: the last {@link lost} is undone (as Eifel does, RFC 4015). */
  unlost(): void {
    this.limit = Math.max(this.limit, this.limitBefore);
    this.threshold = Math.max(this.threshold, this.thresholdBefore);
  }

  /** Something in flight met congestion on its way (ECN). */
  marked(now: number): void {
    const since = now - this.markedAt;
    if (since < ONE_MARK_US) return;
    this.markedAt = now;
    // A window acknowledged without a mark speaks against it.
    const clean = Math.max(0, this.unmarked / this.limit - 1);
    this.unmarked = 0;
    this.congestion = this.congestion * (1 - WEIGHT) ** (clean + 1) + WEIGHT;
    this.cut(1 - this.congestion / 2);
  }

  private cut(factor: number): void {
    this.limit = Math.max(Math.min(LEAST, this.most), this.limit * factor);
    this.threshold = this.limit;
  }

  /** `cost` of what was in flight has been acknowledged; a packet costs `packet`. */
  acknowledged(cost: number, packet: number): void {
    this.unmarked += cost;
    if (this.limit >= this.most) return;
    const gain = this.limit < this.threshold ? cost : (GAIN * packet * cost) / this.limit;
    this.limit = Math.min(this.most, this.limit + gain);
  }

  /** May `cost` more be sent by a QP that has `own` in flight? A QP with nothing in flight may always send one packet. */
  admits(cost: number, own: number): boolean {
    return own === 0 || this.used + cost <= this.limit;
  }

  wait(qp: SoftQp): void {
    if (qp.waitsForWindow) return;
    qp.waitsForWindow = true;
    this.waiters.push(qp);
  }

  /** Gives back `cost`; the QPs to wake, or null. */
  release(cost: number): SoftQp[] | null {
    this.used = Math.max(0, this.used - cost);
    if (this.waiters.length === 0) return null;
    const woken = this.waiters;
    this.waiters = [];
    return woken;
  }
}

/** Of what is free in our receive buffer a READ takes at most this part: the rest is for the READs of others. */
const SHARE = 0.5;
/** Pieces smaller than this part of the largest wait until there is room for larger ones. */
const SMALL = 1 / 8;

/**
 * How many packets of a READ, of which `left` bytes are to be asked for, may be asked for now by a QP that has `own` in
 * flight; 0: it has to wait. `buffer` is for all READs, `path` for those of its peer.
 */
export function readPiece(buffer: PeerWindow, path: PeerWindow, mtu: number, left: number, own: number): number {
  const unit = mtu + PACKET_OVERHEAD;
  const wanted = Math.max(1, Math.ceil(left / mtu));
  const most = Math.min(wanted, Math.max(1, Math.floor(Math.min(buffer.limit, path.limit) / 2 / unit)));
  const room = Math.min(SHARE * (buffer.limit - buffer.used), path.limit - path.used);
  const n = Math.min(most, Math.floor(room / unit));
  if (n >= 1 && n >= most * SMALL) return n;
  return own === 0 ? Math.max(1, n) : 0;
}
