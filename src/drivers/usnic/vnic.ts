// A vNIC: a UDP port with a ring of datagrams to send, a ring of buffers to receive into, and a ring of completions.
// Its bytes are in regions that the core has registered, and every access is checked against the core's keys.
import { isMulticastGid } from '../../core/gid-text.ts';
import type { KeyTable } from '../../core/keys.ts';
import type { ProtectionDomain } from '../../core/pd.ts';
import type { QueueMemory } from '../../core/queue-memory.ts';
import type { Arrival, Flow, Link } from '../../link/link.ts';
import { Ring } from '../../transport/ring.ts';
import { COMP, consumed, DESC, ELEMENT_SIZE, get64, KIND_RECV, KIND_SEND, produced, STATUS } from './rings.ts';

const IPV4_UDP = 28;
const IPV6_UDP = 48;
const MAPPED = 12;

export interface VnicOptions {
  readonly pd: ProtectionDomain;
  readonly keys: KeyTable;
  readonly link: Link;
  readonly port: number;
  readonly sendEntries: number;
  readonly recvEntries: number;
  readonly memory: QueueMemory;
}

export class Vnic {
  readonly send: Ring;
  readonly recv: Ring;
  readonly comp: Ring;
  readonly port: number;
  readonly link: Link;
  /** Longest payload of a datagram. */
  readonly mtu: number;
  readonly counters = { sent: 0, received: 0, noBuffer: 0, tooLong: 0, refused: 0 };
  private readonly pd: ProtectionDomain;
  private readonly keys: KeyTable;
  private readonly to = Buffer.alloc(16);
  private readonly lastTo = Buffer.alloc(16);
  private lastPort = -1;
  private lastFlow: Flow | null = null;
  private readonly onArrival = (arrival: Arrival): void => this.take(arrival);

  constructor(options: VnicOptions) {
    const { memory, sendEntries, recvEntries } = options;
    this.send = new Ring(ELEMENT_SIZE, sendEntries, memory, 'consumer');
    this.recv = new Ring(ELEMENT_SIZE, recvEntries, memory, 'consumer');
    // Room for the completion of everything that can be posted: it cannot overrun by what its user posts.
    this.comp = new Ring(ELEMENT_SIZE, this.send.mask + this.recv.mask, memory, 'producer');
    this.pd = options.pd;
    this.keys = options.keys;
    this.link = options.link;
    this.port = options.port;
    this.mtu = options.link.mtu - (options.link.addresses[0].family === 4 ? IPV4_UDP : IPV6_UDP);
  }

  /** Sends what was posted, takes in what arrived; how many datagrams came. */
  progress(budget: number): number {
    this.sendPosted();
    const received = this.link.poll(this.onArrival, budget);
    this.link.flush();
    return received;
  }

  get idle(): boolean {
    return produced(this.send) === consumed(this.send);
  }

  private sendPosted(): void {
    const { send } = this;
    for (let at = consumed(send); at !== produced(send) && this.room(); at = send.next(at)) {
      const w = send.word(at);
      const status = this.sendOne(w);
      if (status < 0) break;
      const length = send.u32[w + DESC.LENGTH];
      this.complete(send.u32, w, status, KIND_SEND, status === STATUS.OK ? length : 0);
      send.consumer = send.next(at);
    }
  }

  /** The status, or -1 when the link has no room now. */
  private sendOne(w: number): number {
    const { u32, bytes } = this.send;
    const length = u32[w + DESC.LENGTH];
    if (length > this.mtu) {
      this.counters.tooLong++;
      return STATUS.TOO_LONG;
    }
    const start = (w + DESC.ADDRESS) * 4;
    bytes.copy(this.to, 0, start, start + 16);
    const flow = this.flowTo(u32[w + DESC.PORT] & 0xffff);
    if (flow === null) return STATUS.NO_ROUTE;
    const { keys } = this;
    // The core's check: the region's key, its protection domain, its bounds.
    if (!keys.local(u32[w + DESC.LKEY], this.pd, get64(u32, w + DESC.ADDR), length, false)) return this.refuse();
    const at = this.link.reserve(flow, length);
    if (at < 0) return -1;
    if (!keys.memory!.read(keys.offset, this.link.tx, at, length)) {
      this.link.abort();
      return this.refuse();
    }
    this.link.commit();
    this.counters.sent++;
    return STATUS.OK;
  }

  private refuse(): number {
    this.counters.refused++;
    return STATUS.NO_ACCESS;
  }

  private flowTo(port: number): Flow | null {
    const { to, lastTo } = this;
    // The datagram before this one mostly went there too.
    if (port === this.lastPort && to.equals(lastTo)) return this.lastFlow;
    const own = this.link.addresses[0];
    const mapped = to.readUInt32BE(8) === 0xffff && to.readBigUInt64BE(0) === 0n;
    if (port === 0 || mapped !== (own.family === 4) || isMulticastGid(to)) return null;
    to.copy(lastTo);
    this.lastPort = port;
    this.lastFlow = this.link.flow({ local: 0, dst: Uint8Array.from(mapped ? to.subarray(MAPPED) : to), dport: port });
    return this.lastFlow;
  }

  private take(a: Arrival): void {
    const { recv } = this;
    const at = consumed(recv);
    if (a.group !== null || at === produced(recv) || !this.room()) {
      this.counters.noBuffer++;
      return;
    }
    const { u32 } = recv;
    const w = recv.word(at);
    let status: number = STATUS.OK;
    // A datagram that its buffer does not hold is not cut short: its sender meant it whole.
    if (a.len > u32[w + DESC.LENGTH]) status = STATUS.TOO_LONG;
    else if (!this.keys.local(u32[w + DESC.LKEY], this.pd, get64(u32, w + DESC.ADDR), a.len, true))
      status = this.refuse();
    else if (!this.keys.memory!.write(this.keys.offset, a.buf, a.off, a.len)) status = this.refuse();
    if (status === STATUS.OK) this.counters.received++;
    const c = this.complete(u32, w, status, KIND_RECV, a.len);
    this.comp.u32[c + COMP.PORT] = a.sport;
    this.writeSource(this.comp.at(this.comp.producer), a);
    recv.consumer = recv.next(at);
    this.publish();
  }

  private writeSource(at: number, { family, src }: Arrival): void {
    const { bytes } = this.comp;
    const to = at + COMP.ADDRESS * 4;
    bytes.fill(0, to, to + 16);
    if (family === 6) {
      bytes.set(src, to);
      return;
    }
    bytes.writeUInt16BE(0xffff, to + 10);
    bytes.set(src, to + MAPPED);
  }

  private room(): boolean {
    return this.comp.next(this.comp.producer) !== consumed(this.comp);
  }

  /** Fills the next completion; of a send it is handed over at once, of a receive when its source is written too. */
  private complete(from: Uint32Array, w: number, status: number, kind: number, length: number): number {
    const { comp } = this;
    const c = comp.word(comp.producer);
    comp.u32[c + COMP.WR_ID] = from[w + DESC.WR_ID];
    comp.u32[c + COMP.WR_ID + 1] = from[w + DESC.WR_ID + 1];
    comp.u32[c + COMP.STATUS] = status;
    comp.u32[c + COMP.KIND] = kind;
    comp.u32[c + COMP.LENGTH] = length;
    if (kind === KIND_SEND) this.publish();
    return c;
  }

  private publish(): void {
    this.comp.producer = this.comp.next(this.comp.producer);
  }
}
