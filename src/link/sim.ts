// A network that exists only in memory: virtual time, seeded chance, as many nodes as memory holds.
import { parseAddress } from './address.ts';
import type { Clock } from './clock.ts';
import { headerBytes } from './flow.ts';
import { TimeHeap } from './heap.ts';
import { Parcel, ParcelPool } from './parcel.ts';
import { Random } from './random.ts';
import { type SimFlow, SimLink, type SimNodeOptions } from './sim-link.ts';
import { SimTimer } from './sim-timer.ts';

/** What a direction between two nodes does to datagrams; times in microseconds, the faults as probabilities from 0 to 1. */
export interface SimPath {
  latencyUs: number;
  /** Added to the latency, evenly distributed from 0 to this; unicast datagrams of one flow keep their order all the same. */
  jitterUs: number;
  loss: number;
  duplicate: number;
  /** The probability that a datagram takes `reorderUs` longer, so that later ones overtake it. */
  reorder: number;
  reorderUs: number;
  /** The probability that one to three bits are flipped. */
  corrupt: number;
}

export interface SimulationOptions extends Partial<SimPath> {
  /** Two simulations with one seed and the same calls do the same, event by event. Default 1. */
  seed?: number;
  /** Defaults for {@link Simulation.node}. */
  node?: SimNodeOptions;
}

/** What became of datagrams that did not simply arrive. */
export interface SimCounters {
  lost: number;
  duplicated: number;
  reordered: number;
  corrupted: number;
  /** Not delivered because the two nodes are parted by {@link Simulation.partition}. */
  blocked: number;
  /** Sent to an address or port that nobody has. */
  unreachable: number;
  /** Dropped at the tail of a full queue before a slow node. */
  queueDrops: number;
  /** Marked Congestion Experienced (RFC 3168) in such a queue. */
  marked: number;
  /** Dropped because the receiver did not poll and its receive buffer was full. */
  overflowed: number;
}

const AT_PORT = 1;
const ARRIVING = 2;
const PERFECT: SimPath = { latencyUs: 0, jitterUs: 0, loss: 0, duplicate: 0, reorder: 0, reorderUs: 0, corrupt: 0 };

/**
 * A simulated network. Nodes are made with {@link node}; each is a `Link`. Nothing happens but in {@link step} and
 * {@link run}, and no real time passes.
 *
 * A datagram goes: out of the sender at its bandwidth, along the path (latency, jitter, faults), through the queue of the
 * switch port before the receiver at the receiver's bandwidth (tail drop, ECN), into the receiver's receive buffer.
 *
 * @example
 * const sim = new Simulation({ seed: 7, latencyUs: 2, loss: 0.01 });
 * const a = sim.node('10.0.0.1');
 * const b = sim.node('10.0.0.2');
 * b.onArrival = () => b.poll((arrival) => console.log(sim.now, arrival.len), 64);
 * sim.run();
 */
export class Simulation {
  /** Virtual time in microseconds. */
  now = 0;
  /** What paths do unless {@link setPath} said otherwise; may be changed at any time. */
  readonly defaults: SimPath;
  readonly counters: SimCounters;
  /** {@link now} as a function, for what takes a clock. */
  readonly clock: Clock;
  /** @internal */
  readonly pool = new ParcelPool();
  /** Changes whenever flows must look up their way again. @internal */
  version = 0;

  private readonly chance: Random;
  private readonly events = new TimeHeap<SimTimer | Parcel>();
  private readonly nodeDefaults: SimNodeOptions;
  private readonly nodes: SimLink[] = [];
  private readonly byAddress = new Map<string, { node: SimLink; local: number }>();
  private readonly paths = new Map<number, SimPath>();
  private readonly parted = new Set<number>();
  private readonly members = new Map<string, { node: SimLink; local: number }[]>();

  constructor(options: SimulationOptions = {}) {
    const { seed = 1, node = {}, ...path } = options;
    this.chance = new Random(seed);
    this.nodeDefaults = node;
    this.defaults = { ...PERFECT, latencyUs: 1, reorderUs: 50, ...path };
    this.counters = {
      lost: 0,
      duplicated: 0,
      reordered: 0,
      corrupted: 0,
      blocked: 0,
      unreachable: 0,
      queueDrops: 0,
      marked: 0,
      overflowed: 0,
    };
    this.clock = () => this.now;
  }

  /** Adds a node that has the given addresses. */
  node(addresses: string | readonly string[], options: SimNodeOptions = {}): SimLink {
    const own = [addresses].flat().map(parseAddress);
    for (const { text } of own) if (this.byAddress.has(text)) throw new Error(`another node has the address ${text}`);
    const node = new SimLink(this, this.nodes.length, own, { ...this.nodeDefaults, ...options });
    this.nodes.push(node);
    for (const [local, { text }] of own.entries()) this.byAddress.set(text, { node, local });
    this.version++;
    return node;
  }

  /** Makes `fn` happen `delayUs` from now. */
  at(delayUs: number, fn: () => void): SimTimer {
    const timer = new SimTimer(this.now + Math.max(0, delayUs), fn);
    this.events.push(timer);
    return timer;
  }

  /** Lets the next event happen; false when there is none. */
  step(): boolean {
    const event = this.events.pop();
    if (event === undefined) return false;
    this.now = event.time;
    if (event instanceof Parcel) this.advance(event);
    else event.fn?.();
    return true;
  }

  /** Lets everything happen that is due until `untilUs`, where time then stands; without it, until nothing is left to do. */
  run(untilUs = Number.POSITIVE_INFINITY): void {
    while (this.events.nextTime <= untilUs && this.step());
    if (untilUs !== Number.POSITIVE_INFINITY) this.now = Math.max(this.now, untilUs);
  }

  /** When the next event happens; Infinity when there is none. */
  get nextTime(): number {
    return this.events.nextTime;
  }

  /** The next number in [0, 1) of the simulation's seeded generator. */
  random(): number {
    return this.chance.float();
  }

  /** Sets what the direction from one node to another does; what is not given stays as it was. */
  setPath(from: SimLink, to: SimLink, path: Partial<SimPath>): void {
    const key = pair(from, to);
    this.paths.set(key, { ...(this.paths.get(key) ?? this.base(from, to)), ...path });
    this.version++;
  }

  /** Lets nothing pass between the two nodes, in either direction, until {@link heal}; what is on its way arrives. */
  partition(a: SimLink, b: SimLink): void {
    this.parted.add(pair(a, b)).add(pair(b, a));
    this.version++;
  }

  /** Undoes {@link partition}. */
  heal(a: SimLink, b: SimLink): void {
    this.parted.delete(pair(a, b));
    this.parted.delete(pair(b, a));
    this.version++;
  }

  /** @internal */
  schedule(event: SimTimer): void {
    this.events.push(event);
  }

  /** @internal */
  join(group: string, node: SimLink, local: number): void {
    const members = this.members.get(group) ?? [];
    if (members.length === 0) this.members.set(group, members);
    if (!members.some((m) => m.node === node && m.local === local)) members.push({ node, local });
  }

  /** @internal */
  leave(group: string, node: SimLink, local: number): void {
    const members = this.members.get(group)?.filter((m) => m.node !== node || m.local !== local) ?? [];
    if (members.length === 0) this.members.delete(group);
    else this.members.set(group, members);
  }

  /** @internal */
  remove(node: SimLink): void {
    for (const { text } of node.addresses) this.byAddress.delete(text);
    this.version++;
  }

  /** Sends what left `from` at the time `departed`. @internal */
  transmit(from: SimLink, parcel: Parcel, departed: number): void {
    const flow = parcel.flow as SimFlow;
    if (flow.group !== '') {
      this.multicast(from, flow, parcel, departed);
      return;
    }
    if (flow.version !== this.version) this.resolve(from, flow);
    if (flow.peer === null) {
      this.counters.unreachable++;
      this.pool.release(parcel);
    } else if (flow.blocked) {
      this.counters.blocked++;
      this.pool.release(parcel);
    } else {
      this.travel(flow, parcel, flow.peer, flow.peerLocal, flow.path, departed);
    }
  }

  private resolve(from: SimLink, flow: SimFlow): void {
    const found = this.byAddress.get(flow.to);
    flow.version = this.version;
    flow.peer = found?.node ?? null;
    if (found === undefined) return;
    flow.peerLocal = found.local;
    flow.path = this.paths.get(pair(from, found.node)) ?? this.base(from, found.node);
    flow.blocked = this.parted.has(pair(from, found.node));
  }

  /** A node's way to itself does not use the network. */
  private base(from: SimLink, to: SimLink): SimPath {
    return from === to ? PERFECT : this.defaults;
  }

  private multicast(from: SimLink, flow: SimFlow, parcel: Parcel, departed: number): void {
    for (const { node, local } of this.members.get(flow.group) ?? []) {
      if (this.parted.has(pair(from, node))) {
        this.counters.blocked++;
        continue;
      }
      const copy = this.pool.take(parcel.len);
      copy.copyOutgoing(parcel);
      // Each member has its own path: their latencies must not hold each other up.
      flow.lastArrival = 0;
      this.travel(flow, copy, node, local, this.paths.get(pair(from, node)) ?? this.base(from, node), departed);
    }
    this.pool.release(parcel);
  }

  private travel(flow: SimFlow, parcel: Parcel, to: SimLink, local: number, path: SimPath, departed: number): void {
    if (this.chance.chance(path.loss)) {
      this.counters.lost++;
      this.pool.release(parcel);
      return;
    }
    parcel.to = to.index;
    parcel.local = local;
    if (this.chance.chance(path.duplicate)) {
      const copy = this.pool.take(parcel.len);
      copy.copyOutgoing(parcel);
      copy.to = to.index;
      copy.local = local;
      this.counters.duplicated++;
      this.launch(flow, copy, to, path, departed);
    }
    this.launch(flow, parcel, to, path, departed);
  }

  private launch(flow: SimFlow, parcel: Parcel, to: SimLink, path: SimPath, departed: number): void {
    if (this.chance.chance(path.corrupt)) {
      this.chance.flipBits(parcel.buf, 0, parcel.len);
      this.counters.corrupted++;
    }
    let time = departed + path.latencyUs;
    if (path.jitterUs > 0) time += this.chance.float() * path.jitterUs;
    if (this.chance.chance(path.reorder)) {
      time += path.reorderUs;
      this.counters.reordered++;
    } else {
      time = Math.max(time, flow.lastArrival);
      flow.lastArrival = time;
    }
    parcel.family = flow.family;
    parcel.src = flow.src;
    parcel.sport = flow.sport;
    parcel.dport = flow.dport;
    parcel.group = flow.group === '' ? null : flow.dst;
    parcel.time = time;
    parcel.stage = to.bandwidth > 0 && to !== flow.link ? AT_PORT : ARRIVING;
    this.events.push(parcel);
  }

  private advance(parcel: Parcel): void {
    const node = this.nodes[parcel.to];
    if (parcel.stage === ARRIVING) {
      node.deliver(parcel);
      return;
    }
    const size = parcel.len + headerBytes(parcel.family);
    const backlog = Math.max(0, node.portFreeAt - this.now) * node.bandwidth;
    if (backlog > 0 && backlog + size > node.queueBytes) {
      this.counters.queueDrops++;
      this.pool.release(parcel);
      return;
    }
    // RFC 3168 5: only ECN-capable packets (ECT(0) = 2, ECT(1) = 1) are marked, with CE = 3.
    if (backlog >= node.ecnBytes && (parcel.tos & 3) !== 0 && (parcel.tos & 3) !== 3) {
      parcel.tos |= 3;
      this.counters.marked++;
    }
    node.portFreeAt = Math.max(node.portFreeAt, this.now) + size / node.bandwidth;
    parcel.time = node.portFreeAt;
    parcel.stage = ARRIVING;
    this.events.push(parcel);
  }
}

/** A direction between two nodes as one number: the indices fit 26 bits each. */
function pair(from: SimLink, to: SimLink): number {
  return from.index * 0x400_0000 + to.index;
}
