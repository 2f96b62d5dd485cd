// A node of a simulated network, seen as a link.
import { addressText, isMulticast } from '../os/addresses.ts';
import { indexOfAddress } from './address.ts';
import { Fifo } from './fifo.ts';
import { FlowRecord, FlowTable, headerBytes, newStats } from './flow.ts';
import type { Flow, FlowOptions, Link, LinkAddress, LinkStats, Receive } from './link.ts';
import type { Parcel } from './parcel.ts';
import type { SimPath, Simulation } from './sim.ts';
import { SimTimer } from './sim-timer.ts';

export interface SimNodeOptions {
  /** Bytes of the largest IP packet. Default 4200. */
  mtu?: number;
  /** UDP port it sends from and receives on. Default 4791. */
  port?: number;
  netdev?: string;
  /** Bytes per microsecond (1000 Mbit/s are 125) out of the node, and likewise into it; 0 is no limit. Default 0. */
  bandwidth?: number;
  /** Bytes that queue before the node is sent to slower than they come, and as many of its own to be sent. Default 256 KiB. */
  queueBytes?: number;
  /** From so many bytes in the queue before the node on, ECN-capable packets are marked. Default: never. */
  ecnBytes?: number;
  /** Bytes the receive buffer holds until `poll`. Default 4 MiB. */
  receiveBytes?: number;
  /** Datagrams that may be committed before a `flush`. Default 1024. */
  transmitLimit?: number;
  /** What {@link Link.window} says. Default `receiveBytes`. */
  window?: number;
}

/** A flow knows its way until the network's {@link Simulation.version} changes. */
export class SimFlow extends FlowRecord {
  version = -1;
  peer: SimLink | null = null;
  peerLocal = 0;
  path: SimPath;
  blocked = false;
  lastArrival = 0;
  /** The destination as text, and again when it is a multicast group (else empty). */
  readonly to: string;
  readonly group: string;
  /** To one of the node's own addresses. */
  readonly toSelf: boolean;

  constructor(link: SimLink, options: FlowOptions, path: SimPath) {
    super(link, options, link.port);
    this.path = path;
    this.to = addressText(options.dst);
    this.group = isMulticast(options.dst) ? this.to : '';
    this.toSelf = indexOfAddress(link.addresses, options.dst) >= 0;
  }
}

const NONE = Buffer.alloc(0);

/** A node of a {@link Simulation}; made by its `node()`. Datagrams are never copied between sender and receiver. */
export class SimLink implements Link {
  readonly addresses: readonly LinkAddress[];
  readonly mtu: number;
  readonly netdev: string;
  readonly needsChecksum = true;
  readonly window: number;
  readonly stats: LinkStats = newStats();
  readonly fds: readonly number[] = [];
  tx: Buffer = NONE;
  /** Always 0: the packets of a simulated node carry no identification. */
  readonly txId = 0;
  onArrival: (() => void) | null = null;

  readonly port: number;
  /** Bytes per microsecond; 0 is no limit. May be changed. */
  bandwidth: number;
  queueBytes: number;
  ecnBytes: number;
  /** When the switch port before the node has sent what is queued there. @internal */
  portFreeAt = 0;
  /** @internal */
  readonly index: number;

  private readonly sim: Simulation;
  private readonly receiveBytes: number;
  private readonly transmitLimit: number;
  private readonly flows: FlowTable<SimFlow>;
  private readonly pending = new Fifo<Parcel>();
  private readonly arrived = new Fifo<Parcel>();
  private readonly wake: () => void;
  private open: Parcel | null = null;
  private arrivedBytes = 0;
  private uplinkFreeAt = 0;
  private wakeDue = Number.POSITIVE_INFINITY;
  private closed = false;
  private readonly groups: [group: string, local: number][] = [];

  /** @internal */
  constructor(sim: Simulation, index: number, addresses: readonly LinkAddress[], options: SimNodeOptions) {
    this.sim = sim;
    this.index = index;
    this.addresses = addresses;
    this.mtu = options.mtu ?? 4200;
    this.port = options.port ?? 4791;
    this.netdev = options.netdev ?? `sim${index}`;
    this.bandwidth = options.bandwidth ?? 0;
    this.queueBytes = options.queueBytes ?? 256 * 1024;
    this.ecnBytes = options.ecnBytes ?? Number.POSITIVE_INFINITY;
    this.receiveBytes = options.receiveBytes ?? 4 * 1024 * 1024;
    this.transmitLimit = options.transmitLimit ?? 1024;
    this.window = options.window ?? this.receiveBytes;
    this.flows = new FlowTable((o) => new SimFlow(this, o, sim.defaults));
    this.wake = () => {
      this.wakeDue = Number.POSITIVE_INFINITY;
      this.onArrival?.();
    };
  }

  flow(options: FlowOptions): SimFlow {
    return this.flows.get(options);
  }

  reserve(flow: Flow, length: number): number {
    if (this.pending.length >= this.transmitLimit || this.closed) return -1;
    if (length + headerBytes(flow.family) > this.mtu) {
      throw new RangeError(`a datagram of ${length} bytes does not fit the MTU of ${this.mtu}`);
    }
    const parcel = this.sim.pool.take(length);
    parcel.flow = flow;
    parcel.tos = flow.tos;
    this.open = parcel;
    this.tx = parcel.buf;
    return 0;
  }

  commit(): void {
    if (this.open === null) throw new Error('commit without reserve');
    this.pending.push(this.open);
    this.open = null;
  }

  abort(): void {
    if (this.open !== null) this.sim.pool.release(this.open);
    this.open = null;
  }

  /** False when the node's own queue to the network is full; `onArrival` is then called when there is room. */
  flush(): boolean {
    const { sim, pending, stats } = this;
    if (pending.length > 0) stats.txSyscalls++;
    for (let parcel = pending.peek(); parcel !== undefined; parcel = pending.peek()) {
      let departed = sim.now;
      if (this.bandwidth > 0 && !(parcel.flow as SimFlow).toSelf) {
        const size = parcel.len + headerBytes(parcel.flow!.family);
        const backlog = Math.max(0, this.uplinkFreeAt - sim.now) * this.bandwidth;
        if (backlog > 0 && backlog + size > this.queueBytes) {
          this.wakeAt(sim.now + Math.max(backlog - this.queueBytes / 2, size) / this.bandwidth);
          return false;
        }
        this.uplinkFreeAt = Math.max(this.uplinkFreeAt, sim.now) + size / this.bandwidth;
        departed = this.uplinkFreeAt;
      }
      pending.shift();
      stats.txPackets++;
      stats.txBytes += parcel.len;
      sim.transmit(this, parcel, departed);
    }
    return true;
  }

  poll(receive: Receive, budget: number): number {
    const { arrived, stats } = this;
    let count = 0;
    if (arrived.length > 0) stats.rxSyscalls++;
    while (count < budget) {
      const parcel = arrived.shift();
      if (parcel === undefined) break;
      count++;
      this.arrivedBytes -= parcel.len;
      stats.rxPackets++;
      stats.rxBytes += parcel.len;
      receive(parcel);
      this.sim.pool.release(parcel);
    }
    return count;
  }

  join(local: number, group: Uint8Array): void {
    const text = addressText(group);
    this.groups.push([text, local]);
    this.sim.join(text, this, local);
  }

  leave(local: number, group: Uint8Array): void {
    this.sim.leave(addressText(group), this, local);
  }

  /** Takes the node off the network; what is on its way to it is lost, and its addresses are free for another. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.onArrival = null;
    this.abort();
    for (const [group, local] of this.groups) this.sim.leave(group, this, local);
    for (const queue of [this.pending, this.arrived]) {
      for (let parcel = queue.shift(); parcel !== undefined; parcel = queue.shift()) this.sim.pool.release(parcel);
    }
    this.sim.remove(this);
  }

  /** @internal */
  deliver(parcel: Parcel): void {
    const { counters, pool } = this.sim;
    if (this.closed || parcel.dport !== this.port) {
      counters.unreachable++;
      pool.release(parcel);
    } else if (this.arrivedBytes + parcel.len > this.receiveBytes) {
      counters.overflowed++;
      pool.release(parcel);
    } else {
      this.arrivedBytes += parcel.len;
      this.arrived.push(parcel);
      // As an event of its own, after all that arrives at this very time: one wake for a batch.
      if (this.onArrival !== null) this.wakeAt(this.sim.now);
    }
  }

  private wakeAt(time: number): void {
    if (this.wakeDue <= time) return;
    this.wakeDue = time;
    this.sim.schedule(new SimTimer(time, this.wake));
  }
}
