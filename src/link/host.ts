// A device's whole network: itself, and the rest.
import { indexOfAddress } from './address.ts';
import type { Flow, FlowOptions, Link, LinkAddress, LinkStats, Receive } from './link.ts';
import { LoopbackLink, type LoopbackOptions } from './loopback.ts';

/** While the loopback has something at each poll, the rest of the network is looked at every so many. */
const LOOK_EVERY = 8;

/** @see withLoopback */
class HostLink implements Link {
  readonly addresses: readonly LinkAddress[];
  readonly mtu: number;
  readonly netdev: string;
  readonly needsChecksum: boolean;
  readonly window: number;

  private readonly inner: Link;
  private readonly options: Partial<LoopbackOptions>;
  /** Made when something is first sent to itself, so that what never is costs nothing. */
  private loopback: LoopbackLink | null = null;
  private reserved: Link;
  /** Polls in a row at which the inner link was left alone. */
  private unlooked = 0;
  private notify: (() => void) | null = null;

  constructor(inner: Link, options: Partial<LoopbackOptions>) {
    this.addresses = inner.addresses;
    this.mtu = inner.mtu;
    this.netdev = inner.netdev;
    this.needsChecksum = inner.needsChecksum;
    this.window = inner.window;
    this.inner = inner;
    this.options = options;
    this.reserved = inner;
  }

  flow(options: FlowOptions): Flow {
    if (indexOfAddress(this.addresses, options.dst) < 0) return this.inner.flow(options);
    if (this.loopback === null) {
      this.loopback = new LoopbackLink({
        addresses: this.addresses,
        mtu: this.mtu,
        netdev: this.netdev,
        port: this.inner.flow(options).sport,
        ...this.options,
      });
      this.loopback.onArrival = this.notify;
    }
    return this.loopback.flow(options);
  }

  get fds(): readonly number[] {
    return this.inner.fds;
  }

  get stats(): LinkStats {
    const { inner, loopback } = this;
    if (loopback === null) return inner.stats;
    const sum = { ...inner.stats };
    for (const key of Object.keys(sum) as (keyof LinkStats)[]) sum[key] += loopback.stats[key];
    return sum;
  }

  get tx(): Buffer {
    return this.reserved.tx;
  }

  get txId(): number {
    return this.reserved.txId;
  }

  reserve(flow: Flow, length: number): number {
    this.reserved = flow.link;
    return flow.link.reserve(flow, length);
  }

  commit(): void {
    this.reserved.commit();
  }

  abort(): void {
    this.reserved.abort();
  }

  flush(): boolean {
    this.loopback?.flush();
    return this.inner.flush();
  }

  poll(receive: Receive, budget: number): number {
    const own = this.loopback === null ? 0 : this.loopback.poll(receive, budget);
    // Who talks to itself mostly does not talk to others: a look at a socket is a system call.
    if (own > 0 && ++this.unlooked < LOOK_EVERY) return own;
    this.unlooked = 0;
    return own + this.inner.poll(receive, budget);
  }

  join(local: number, group: Uint8Array): void {
    this.inner.join(local, group);
  }

  leave(local: number, group: Uint8Array): void {
    this.inner.leave(local, group);
  }

  get onArrival(): (() => void) | null {
    return this.notify;
  }

  set onArrival(notify: (() => void) | null) {
    this.notify = notify;
    this.inner.onArrival = notify;
    if (this.loopback !== null) this.loopback.onArrival = notify;
  }

  arm(): boolean {
    return this.inner.arm?.() ?? true;
  }

  nextDue(): number {
    return this.inner.nextDue?.() ?? Number.POSITIVE_INFINITY;
  }

  ref(): void {
    this.inner.ref?.();
  }

  unref(): void {
    this.inner.unref?.();
  }

  close(): void {
    this.loopback?.close();
    this.inner.close();
  }
}

/**
 * Joins a link with a loopback: a flow to one of the link's own addresses goes through memory, any other (multicast too)
 * through `link`. A flow's `link` is the one or the other, so that nothing stands between the sender and the link:
 * reserve with `flow.link.reserve(flow, n)`, write to `flow.link.tx`. `flush`, `poll` and `close` here cover both.
 *
 * `onArrival` is called for the loopback also when the inner link has `fds`.
 */
export function withLoopback(link: Link, options: Partial<LoopbackOptions> = {}): Link {
  return new HostLink(link, options);
}
