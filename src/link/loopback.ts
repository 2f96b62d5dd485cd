// Datagrams from a device to itself: from one array to the reader without a system call or a copy.
import { addressText, isMulticast } from '../os/addresses.ts';
import { indexOfAddress, parseAddress } from './address.ts';
import { ArrivalRecord } from './arrival.ts';
import { FlowRecord, FlowTable, headerBytes, newStats } from './flow.ts';
import { JUMBO } from './jumbo.ts';
import type { Flow, FlowOptions, Link, LinkAddress, LinkStats, Receive } from './link.ts';

export interface LoopbackOptions {
  readonly addresses: readonly (LinkAddress | string)[];
  /** UDP port it sends from and receives on. Default 4791. */
  readonly port?: number;
  /** Bytes of the largest IP packet. Default 4200. */
  readonly mtu?: number;
  readonly netdev?: string;
  /** Bytes that may wait to be polled. Default 4 MiB. */
  readonly capacity?: number;
  /** True to have checksums filled in and checked all the same, so that captures show valid ones. Default false. */
  readonly needsChecksum?: boolean;
}

class LoopbackFlow extends FlowRecord {
  /** Index of the destination among the link's addresses; -1 for a group, and for an address that is not its own. */
  readonly to: number;
  readonly group: string;

  constructor(link: LoopbackLink, options: FlowOptions) {
    super(link, options, link.port);
    this.group = isMulticast(options.dst) ? addressText(options.dst) : '';
    this.to = options.dport === link.port ? indexOfAddress(link.addresses, options.dst) : -1;
  }

  /** Unless checksums show that real packets are wanted. */
  override get jumbo(): boolean {
    return !this.link.needsChecksum;
  }
}

const FIRST_BYTES = 64 * 1024;
const FIRST_DATAGRAMS = 64;

/** Datagrams one behind the other in one array; written while another is read. */
class Batch {
  buf: Buffer = Buffer.alloc(0);
  used = 0;
  count = 0;
  /** How many of them have been flushed, and so may be read. */
  flushed = 0;
  /** How many have been read. */
  read = 0;
  offsets: Int32Array = new Int32Array(0);
  lengths: Int32Array = new Int32Array(0);
  readonly flows: LoopbackFlow[] = [];

  clear(): void {
    this.used = 0;
    this.count = 0;
    this.flushed = 0;
    this.read = 0;
  }

  /** Makes room for `bytes` more; false when that would be more than `capacity`. */
  room(bytes: number, capacity: number): boolean {
    if (this.used + bytes > this.buf.length) {
      if (this.used + bytes > capacity) return false;
      let size = Math.max(FIRST_BYTES, this.buf.length * 2);
      while (size < this.used + bytes) size *= 2;
      const larger = Buffer.allocUnsafeSlow(Math.min(size, capacity));
      this.buf.copy(larger, 0, 0, this.used);
      this.buf = larger;
    }
    if (this.count === this.offsets.length) {
      const slots = Math.max(FIRST_DATAGRAMS, this.count * 2);
      const offsets = new Int32Array(slots);
      const lengths = new Int32Array(slots);
      offsets.set(this.offsets);
      lengths.set(this.lengths);
      this.offsets = offsets;
      this.lengths = lengths;
    }
    return true;
  }
}

/**
 * A link from a device to itself. Two arrays take turns: one is written by `reserve` while `poll` hands over what is in the
 * other. `reserve` returns -1 when the written one is full until `poll` has emptied the other.
 *
 * What is sent to an address that is not its own is dropped and counted in `stats.txErrors`. Multicast goes to those of its
 * addresses that joined the group.
 */
export class LoopbackLink implements Link {
  readonly addresses: readonly LinkAddress[];
  readonly mtu: number;
  readonly netdev: string;
  readonly needsChecksum: boolean;
  readonly window: number;
  readonly stats: LinkStats = newStats();
  readonly fds: readonly number[] = [];
  readonly port: number;
  tx: Buffer;
  /** Always 0: there is no IP packet. */
  readonly txId = 0;
  /** Called once when something is flushed and nothing was waiting to be polled. */
  onArrival: (() => void) | null = null;

  private readonly flows: FlowTable<LoopbackFlow>;
  private readonly groups = new Map<string, Set<number>>();
  private readonly arrival = new ArrivalRecord();
  private writing = new Batch();
  private reading = new Batch();
  private openFlow: LoopbackFlow | null = null;
  private openLength = 0;
  private closed = false;

  constructor(options: LoopbackOptions) {
    this.addresses = options.addresses.map((a) => (typeof a === 'string' ? parseAddress(a) : a));
    this.port = options.port ?? 4791;
    this.mtu = options.mtu ?? 4200;
    this.netdev = options.netdev ?? '';
    this.needsChecksum = options.needsChecksum ?? false;
    this.window = options.capacity ?? 4 * 1024 * 1024;
    this.flows = new FlowTable((o) => new LoopbackFlow(this, o));
    this.tx = this.writing.buf;
    this.arrival.trusted = !this.needsChecksum;
    this.arrival.jumbo = !this.needsChecksum;
    this.arrival.lasting = true;
    this.arrival.dport = this.port;
    this.arrival.sport = this.port;
  }

  flow(options: FlowOptions): Flow {
    return this.flows.get(options);
  }

  reserve(flow: Flow, length: number): number {
    if (length + headerBytes(flow.family) > (flow.jumbo ? JUMBO : this.mtu)) {
      throw new RangeError(`a datagram of ${length} bytes does not fit the MTU of ${this.mtu}`);
    }
    const batch = this.writing;
    if (this.closed || !batch.room(length, this.window)) return -1;
    this.openFlow = flow as LoopbackFlow;
    this.openLength = length;
    this.tx = batch.buf;
    return batch.used;
  }

  commit(): void {
    if (this.openFlow === null) throw new Error('commit without reserve');
    const batch = this.writing;
    batch.offsets[batch.count] = batch.used;
    batch.lengths[batch.count] = this.openLength;
    batch.flows[batch.count++] = this.openFlow;
    // Datagrams start at multiples of 16, for what reads them in words.
    batch.used += (this.openLength + 15) & ~15;
    this.stats.txPackets++;
    this.stats.txBytes += this.openLength;
    this.openFlow = null;
  }

  abort(): void {
    this.openFlow = null;
  }

  flush(): boolean {
    const { reading, writing } = this;
    if (reading.flushed === reading.count && writing.flushed === writing.count) return true;
    const wasEmpty = reading.read === reading.flushed && writing.flushed === 0;
    // What was not flushed when the arrays changed places is at the end of the one that is read.
    reading.flushed = reading.count;
    writing.flushed = writing.count;
    if (wasEmpty) this.onArrival?.();
    return true;
  }

  poll(receive: Receive, budget: number): number {
    let handed = 0;
    while (handed < budget) {
      const batch = this.reading;
      if (batch.read === batch.flushed) {
        if (batch.flushed < batch.count || !this.swap()) break;
        continue;
      }
      const at = batch.read++;
      const flow = batch.flows[at];
      if (flow.to >= 0) {
        this.hand(receive, batch, at, flow, flow.to, null);
        handed++;
      } else {
        handed += this.handToGroup(receive, batch, at, flow);
      }
    }
    return handed;
  }

  join(local: number, group: Uint8Array): void {
    const text = addressText(group);
    const members = this.groups.get(text) ?? new Set();
    this.groups.set(text, members.add(local));
  }

  leave(local: number, group: Uint8Array): void {
    this.groups.get(addressText(group))?.delete(local);
  }

  close(): void {
    this.closed = true;
    this.onArrival = null;
    this.reading.clear();
    this.writing.clear();
  }

  /** Empty array and full one change places; not while a reservation points into the full one. */
  private swap(): boolean {
    const full = this.writing;
    if (full.flushed === 0 || this.openFlow !== null) return false;
    this.reading.clear();
    this.writing = this.reading;
    this.reading = full;
    return true;
  }

  private hand(
    receive: Receive,
    batch: Batch,
    at: number,
    flow: LoopbackFlow,
    local: number,
    group: Uint8Array | null,
  ): void {
    const arrival = this.arrival;
    arrival.buf = batch.buf;
    arrival.off = batch.offsets[at];
    arrival.len = batch.lengths[at];
    arrival.family = flow.family;
    arrival.src = flow.src;
    arrival.local = local;
    arrival.group = group;
    arrival.tos = flow.tos;
    this.stats.rxPackets++;
    this.stats.rxBytes += arrival.len;
    receive(arrival);
  }

  private handToGroup(receive: Receive, batch: Batch, at: number, flow: LoopbackFlow): number {
    if (flow.group === '') {
      this.stats.txErrors++;
      return 0;
    }
    let handed = 0;
    if (flow.dport !== this.port) return handed;
    for (const local of this.groups.get(flow.group) ?? []) {
      this.hand(receive, batch, at, flow, local, flow.dst);
      handed++;
    }
    return handed;
  }
}
