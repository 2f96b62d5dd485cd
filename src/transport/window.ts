// What may be in flight: a receiver is a socket with a buffer of limited size, and what overflows it is lost.
import type { SoftQp } from './qp.ts';

/** What a packet costs in a receiver's buffer beyond its bytes. */
export const PACKET_OVERHEAD = 512;

/** What a window that has met losses keeps at least: two packets of the largest MTU, or more smaller ones. */
const LEAST = 9216;
/** Gained in the time a whole window is acknowledged: one packet of the largest MTU. */
const GAIN = 4608;
/** Losses so soon after another, in microseconds, are the same event. */
const ONE_EVENT_US = 200;

/**
 * Halved when something is lost, and growing again as packets are acknowledged (AIMD, RFC 5681 section 3.1), up to what the
 * receiver's buffer is thought to hold: many senders to one receiver, or a receiver with less memory than ours, find their
 * shares.
 */
export class PeerWindow {
  limit: number;
  private readonly most: number;
  private lostAt = Number.NEGATIVE_INFINITY;
  used = 0;
  waiters: SoftQp[] = [];

  constructor(limit: number) {
    this.limit = limit;
    this.most = limit;
  }

  /** Something in flight was lost. */
  lost(now: number): void {
    if (now - this.lostAt < ONE_EVENT_US) return;
    this.lostAt = now;
    this.limit = Math.max(Math.min(LEAST, this.most), this.limit / 2);
  }

  /** `cost` of what was in flight has been acknowledged. */
  acknowledged(cost: number): void {
    if (this.limit < this.most) this.limit = Math.min(this.most, this.limit + (GAIN * cost) / this.limit);
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
