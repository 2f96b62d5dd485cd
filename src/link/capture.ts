// Shows every datagram of a link to a listener.
import { Decorator } from './decorator.ts';
import type { Arrival, Flow, Link, Receive } from './link.ts';

/**
 * Sees the datagrams of a link. All arguments are valid during the call only, and nothing of them may be changed. What is
 * needed to put IP and UDP headers round a datagram is there, except the IPv4 identification of one that arrived: sockets do
 * not show it, but where its ICRC covers it, it can be solved from that.
 */
export interface Tap {
  /** `flow` sends the `length` bytes of `buf` at `offset` in a packet with the IPv4 identification `id`. */
  sent(flow: Flow, buf: Buffer, offset: number, length: number, id: number): void;
  /** `link.addresses[arrival.local]` is where it was sent to, unless `arrival.group` is. */
  received(arrival: Arrival, link: Link): void;
}

/** A link whose datagrams are shown to {@link tap}. */
export class CaptureLink extends Decorator {
  /** Who sees the datagrams now; null is nobody, and costs next to nothing. */
  tap: Tap | null;
  private offset = 0;
  private length = 0;
  private receiver: Receive | null = null;
  private readonly shown: Receive;

  constructor(inner: Link, tap: Tap | null) {
    super(inner);
    this.tap = tap;
    this.shown = (arrival) => {
      this.tap?.received(arrival, this);
      this.receiver!(arrival);
    };
  }

  override reserve(flow: Flow, length: number): number {
    const offset = super.reserve(flow, length);
    this.offset = offset;
    this.length = length;
    return offset;
  }

  override commit(): void {
    // Not at flush: the link may have sent it, and written over it, before we hear of it.
    this.tap?.sent(this.openFlow!, this.tx, this.offset, this.length, this.txId);
    super.commit();
  }

  override poll(receive: Receive, budget: number): number {
    this.receiver = receive;
    return this.inner.poll(this.shown, budget);
  }
}

/**
 * Wraps a link so that `tap` sees all that is sent (when it is committed) and received (before the receiver does). The tap
 * can be changed or removed while the link is open. See decorator.ts for how it composes with faults and loopback.
 */
export function withCapture(link: Link, tap: Tap | null = null): CaptureLink {
  return new CaptureLink(link, tap);
}
