// What may be in flight: a receiver is a socket with a buffer of limited size, and what overflows it is lost.
import type { SoftQp } from './qp.ts';

/** What a packet costs in a receiver's buffer beyond its bytes. */
export const PACKET_OVERHEAD = 512;

export class PeerWindow {
  limit: number;
  used = 0;
  waiters: SoftQp[] = [];

  constructor(limit: number) {
    this.limit = limit;
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
