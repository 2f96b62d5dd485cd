// Loses, duplicates, reorders, damages and delays datagrams of any link on purpose.
import { ArrivalRecord } from './arrival.ts';
import { type Clock, monotonic } from './clock.ts';
import { type DecoratedFlow, Decorator } from './decorator.ts';
import { FaultDirection } from './fault-direction.ts';
import { Fifo } from './fifo.ts';
import { headerBytes } from './flow.ts';
import type { Arrival, Flow, Link, Receive } from './link.ts';
import { type Parcel, ParcelPool } from './parcel.ts';
import { Random } from './random.ts';

/** Which faults a link has: probabilities from 0 to 1 per datagram, times in microseconds; all 0 by default. */
export interface FaultOptions {
  readonly loss?: number;
  readonly duplicate?: number;
  /** The probability that a datagram is held back for `reorderUs`, so that later ones overtake it. */
  readonly reorder?: number;
  /** Default 50. */
  readonly reorderUs?: number;
  /** The probability that one to three bits are flipped. */
  readonly corrupt?: number;
  readonly delayUs?: number;
  /** Added to the delay, evenly distributed from 0 to this; does not change the order. */
  readonly delayJitterUs?: number;
  /** The same datagrams with the same seed have the same faults. Default 1. */
  readonly seed?: number;
  /** Default `both`. */
  readonly direction?: 'tx' | 'rx' | 'both';
}

/** How many datagrams were treated so since the link was wrapped. */
export interface FaultCounters {
  lost: number;
  duplicated: number;
  reordered: number;
  corrupted: number;
  /** Dropped because too many were held back already. */
  overflowed: number;
}

const TRANSMIT_LIMIT = 1024;
const HOLD_LIMIT = 16384;
const DEFAULTS: Required<FaultOptions> = {
  loss: 0,
  duplicate: 0,
  reorder: 0,
  reorderUs: 50,
  corrupt: 0,
  delayUs: 0,
  delayJitterUs: 0,
  seed: 1,
  direction: 'both',
};

/**
 * A link with faults; made by {@link withFaults}.
 *
 * A sender signs a packet for the IPv4 identification that it will have (`txId`). Sent later, or twice, it must have the same
 * again: so as soon as any fault but loss acts on sending, datagrams are signed for 0, kept here and flushed one by one, which
 * makes each the first, with identification 0, of its batch. That costs a system call per datagram.
 *
 * What is held back is released by `poll` and `flush` when it is due; {@link nextDue} says when to call them.
 */
export class FaultLink extends Decorator {
  readonly counters: FaultCounters = { lost: 0, duplicated: 0, reordered: 0, corrupted: 0, overflowed: 0 };

  private readonly clock: Clock;
  private options: Required<FaultOptions> = DEFAULTS;
  private readonly out = new FaultDirection(0);
  private readonly in = new FaultDirection(0);
  /** Whether what is sent is kept here first. */
  private copies = false;
  private readonly pool = new ParcelPool();
  private open: Parcel | null = null;
  /** Committed and not flushed. */
  private readonly staged = new Fifo<Parcel>();
  /** To be sent now. */
  private readonly ready = new Fifo<Parcel>();
  private receiver: Receive | null = null;
  private readonly arrived: Receive;
  private readonly arrival = new ArrivalRecord();

  constructor(inner: Link, options: FaultOptions, clock: Clock) {
    super(inner);
    this.clock = clock;
    this.arrived = (arrival) => this.receive(arrival);
    this.set({ seed: DEFAULTS.seed, ...options });
  }

  /** Changes the faults given; a seed given starts the sequence of chance anew. What is held back stays so until due. */
  set(options: FaultOptions): void {
    const o = { ...this.options, ...options };
    this.options = o;
    if (options.seed !== undefined) {
      this.out.random = new Random(o.seed);
      this.in.random = new Random(o.seed + 0x5bd1e995);
    }
    const moves = o.duplicate > 0 || o.reorder > 0 || o.corrupt > 0 || o.delayUs > 0 || o.delayJitterUs > 0;
    this.out.on = o.direction !== 'rx' && (moves || o.loss > 0);
    this.in.on = o.direction !== 'tx' && (moves || o.loss > 0);
    this.copies = o.direction !== 'rx' && moves;
  }

  override reserve(flow: Flow, length: number): number {
    // What was kept here before goes first.
    if (!this.copies && this.kept === 0) return super.reserve(flow, length);
    if (this.staged.length + this.ready.length >= TRANSMIT_LIMIT) return -1;
    if (length + headerBytes(flow.family) > this.mtu) {
      throw new RangeError(`a datagram of ${length} bytes does not fit the MTU of ${this.mtu}`);
    }
    this.open = this.pool.take(length);
    this.openFlow = flow as DecoratedFlow;
    this.tx = this.open.buf;
    this.txId = 0;
    return 0;
  }

  override commit(): void {
    if (this.open === null) {
      if (!this.out.on || !this.out.random.chance(this.options.loss)) {
        super.commit();
        return;
      }
      this.counters.lost++;
      super.abort();
      return;
    }
    const parcel = this.open;
    this.open = null;
    parcel.flow = this.openFlow!.inner;
    this.openFlow = null;
    const { on, random } = this.out;
    if (on && random.chance(this.options.loss)) {
      this.counters.lost++;
      this.pool.release(parcel);
      return;
    }
    if (on && random.chance(this.options.duplicate)) {
      const copy = this.pool.take(parcel.len);
      copy.copyOutgoing(parcel);
      this.counters.duplicated++;
      this.staged.push(copy);
    }
    this.staged.push(parcel);
  }

  override abort(): void {
    if (this.open === null) {
      super.abort();
      return;
    }
    this.pool.release(this.open);
    this.open = null;
    this.openFlow = null;
  }

  override flush(): boolean {
    for (let parcel = this.staged.shift(); parcel !== undefined; parcel = this.staged.shift()) this.queue(parcel);
    return this.release();
  }

  /** Returns how many were handled: handed over, lost or held back. */
  override poll(receive: Receive, budget: number): number {
    this.receiver = receive;
    let count = 0;
    if (this.out.held.length > 0 && this.out.held.nextTime <= this.clock()) this.release();
    if (this.in.held.length > 0) {
      const now = this.clock();
      for (; this.in.held.nextTime <= now && count < budget; count++) {
        const parcel = this.in.held.pop()!;
        receive(parcel);
        this.pool.release(parcel);
      }
    }
    return count + this.inner.poll(this.arrived, budget);
  }

  /** When what is held back is due, by the clock given; Infinity when nothing is. */
  override nextDue(): number {
    return Math.min(super.nextDue(), this.out.held.nextTime, this.in.held.nextTime);
  }

  private receive(arrival: Arrival): void {
    const { arrival: shown, options, in: side } = this;
    shown.assign(arrival);
    // The wrapped link may be sure that it damages nothing; we are not.
    shown.trusted = false;
    if (!side.on) {
      if (side.held.length > 0) this.deliver(shown);
      else this.receiver!(shown);
      return;
    }
    if (side.random.chance(options.loss)) {
      this.counters.lost++;
      return;
    }
    if (side.random.chance(options.duplicate)) {
      this.counters.duplicated++;
      this.deliver(shown);
    }
    this.deliver(shown);
  }

  /** Hands over an arrival, or holds a copy back; a damaged one is always a copy. */
  private deliver(arrival: Arrival): void {
    const side = this.in;
    const corrupt = side.on && side.random.chance(this.options.corrupt);
    const now = this.clock();
    const due = side.due(now, this.options, this.counters);
    const passes = side.passes(due, now);
    if (passes && !corrupt) {
      this.receiver!(arrival);
      return;
    }
    if (side.held.length >= HOLD_LIMIT) {
      this.counters.overflowed++;
      return;
    }
    const parcel = this.pool.take(arrival.len);
    parcel.copyArrival(arrival);
    if (corrupt) this.damage(parcel, side.random);
    if (passes) {
      this.receiver!(parcel);
      this.pool.release(parcel);
    } else {
      parcel.time = due;
      side.held.push(parcel);
    }
  }

  /** Puts a datagram to be sent among those that go now or those that wait. */
  private queue(parcel: Parcel): void {
    const side = this.out;
    if (side.on && side.random.chance(this.options.corrupt)) this.damage(parcel, side.random);
    const now = this.clock();
    const due = side.due(now, this.options, this.counters);
    if (side.passes(due, now)) {
      this.ready.push(parcel);
    } else if (side.held.length >= HOLD_LIMIT) {
      this.counters.overflowed++;
      this.pool.release(parcel);
    } else {
      parcel.time = due;
      side.held.push(parcel);
    }
  }

  /** Sends what is due, each datagram by itself. */
  private release(): boolean {
    if (!this.inner.flush()) return false;
    if (this.kept === 0) return true;
    const now = this.clock();
    while (this.out.held.nextTime <= now) this.ready.push(this.out.held.pop()!);
    for (let parcel = this.ready.peek(); parcel !== undefined; parcel = this.ready.peek()) {
      const flow = parcel.flow!;
      const off = flow.link.reserve(flow, parcel.len);
      if (off < 0) return false;
      parcel.buf.copy(flow.link.tx, off, 0, parcel.len);
      flow.link.commit();
      this.ready.shift();
      this.pool.release(parcel);
      if (!this.inner.flush()) return false;
    }
    return true;
  }

  private get kept(): number {
    return this.staged.length + this.ready.length + this.out.held.length;
  }

  private damage(parcel: Parcel, chance: Random): void {
    chance.flipBits(parcel.buf, 0, parcel.len);
    this.counters.corrupted++;
  }
}

/**
 * Wraps a link with seeded faults, which can be changed while it is open ({@link FaultLink.set}).
 *
 * `delayUs` and the like are measured by `clock`: the simulation's for a simulated node, else this machine's.
 * See decorator.ts for how it composes with capture and loopback.
 */
export function withFaults(link: Link, options: FaultOptions, clock: Clock = monotonic): FaultLink {
  return new FaultLink(link, options, clock);
}
