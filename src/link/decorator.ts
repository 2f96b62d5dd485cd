// What all links that wrap another have in common.
//
// Decorators compose: each wraps any link and is one. The one written first is nearest to the program:
//
//   withCapture(withFaults(udp))     captures what the program sent, also what is then lost, and what reached it
//   withFaults(withCapture(udp))     captures what was on the wire: what was lost on the way out is not there, what is lost on
//                                    the way in is
//   withCapture(withLoopback(udp))   captures also what the device sends to itself
//   withLoopback(withCapture(udp))   does not, and keeps the loopback free of cost; likewise with faults
import { FlowRecord, FlowTable } from './flow.ts';
import type { Flow, FlowOptions, Link, LinkAddress, LinkStats, Receive } from './link.ts';

/** A flow of a decorator, with the flow of the link it wraps. */
export class DecoratedFlow extends FlowRecord {
  readonly inner: Flow;

  constructor(link: Link, options: FlowOptions, inner: Flow) {
    super(link, options, inner.sport);
    this.inner = inner;
  }

  override get window(): number {
    return this.inner.window;
  }
}

/** Passes everything on to the link it wraps; decorators override what they do otherwise. */
export class Decorator implements Link {
  readonly addresses: readonly LinkAddress[];
  readonly mtu: number;
  readonly netdev: string;
  /**
   * True also when the wrapped link needs none: who damages datagrams must have them checked, and who shows them wants to
   * show valid ones.
   */
  readonly needsChecksum = true;
  readonly window: number;
  tx: Buffer;
  txId = 0;

  protected readonly inner: Link;
  protected openFlow: DecoratedFlow | null = null;
  private readonly flows: FlowTable<DecoratedFlow>;

  constructor(inner: Link) {
    this.addresses = inner.addresses;
    this.mtu = inner.mtu;
    this.netdev = inner.netdev;
    this.window = inner.window;
    this.inner = inner;
    this.tx = inner.tx;
    this.flows = new FlowTable((o) => new DecoratedFlow(this, o, inner.flow(o)));
  }

  get stats(): LinkStats {
    return this.inner.stats;
  }

  get fds(): readonly number[] {
    return this.inner.fds;
  }

  get onArrival(): (() => void) | null {
    return this.inner.onArrival;
  }

  set onArrival(notify: (() => void) | null) {
    this.inner.onArrival = notify;
  }

  flow(options: FlowOptions): Flow {
    return this.flows.get(options);
  }

  reserve(flow: Flow, length: number): number {
    const decorated = flow as DecoratedFlow;
    const inner = decorated.inner;
    const off = inner.link.reserve(inner, length);
    this.openFlow = decorated;
    this.tx = inner.link.tx;
    this.txId = inner.link.txId;
    return off;
  }

  commit(): void {
    this.openFlow!.inner.link.commit();
    this.openFlow = null;
  }

  abort(): void {
    this.openFlow?.inner.link.abort();
    this.openFlow = null;
  }

  flush(): boolean {
    return this.inner.flush();
  }

  poll(receive: Receive, budget: number): number {
    return this.inner.poll(receive, budget);
  }

  join(local: number, group: Uint8Array): void {
    this.inner.join(local, group);
  }

  leave(local: number, group: Uint8Array): void {
    this.inner.leave(local, group);
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
    this.inner.close();
  }
}
