// The user's side of a vNIC: what a program's own library does, on rings and memory that are its own.
import { randomInt } from 'node:crypto';
import { Access } from '../../core/constants.ts';
import type { Context } from '../../core/context.ts';
import { gidFromAddress } from '../../core/gid-text.ts';
import { LocalMemory } from '../../core/memory.ts';
import type { MemoryRegion } from '../../core/mr.ts';
import type { ProtectionDomain } from '../../core/pd.ts';
import { allocPd, deallocPd, deregMr, regMr } from '../../core/verbs.ts';
import { addressBytes, addressText } from '../../os/addresses.ts';
import { usnic, type VnicObject } from './extension.ts';
import { COMP, consumed, DESC, get64, KIND_SEND, produced, put64, STATUS } from './rings.ts';
import type { Vnic } from './vnic.ts';

export interface EndpointOptions {
  /** UDP port; 0: any. */
  readonly port?: number;
  /** Datagrams that may be on their way out, and buffers for those that come in. Default 64 each. */
  readonly entries?: number;
  /** Bytes of a buffer. Default: the longest payload. */
  readonly size?: number;
}

export interface Datagram {
  /** Valid until the next call of `receive`. */
  readonly data: Buffer;
  readonly address: string;
  readonly port: number;
}

/** Unreliable datagrams: what is sent may be lost, come twice, or out of order. */
export class Endpoint {
  readonly port: number;
  /** Longest datagram. */
  readonly mtu: number;
  private readonly context: Context;
  private readonly pd: ProtectionDomain;
  private readonly object: VnicObject;
  private readonly vnic: Vnic;
  private readonly region: MemoryRegion;
  private readonly memory: Buffer;
  private readonly size: number;
  private readonly entries: number;
  private readonly freeSlots: number[] = [];
  /** A buffer whose datagram its receiver has in hand. */
  private held = -1;

  constructor(context: Context, options: EndpointOptions = {}) {
    const { port = 0, entries = 63 } = options;
    this.context = context;
    this.pd = allocPd(context);
    const made = usnic.method(context, 'create', { pd: this.pd, port, sendEntries: entries, recvEntries: entries });
    this.object = made.vnic;
    this.vnic = this.object.state!.vnic;
    this.port = this.vnic.port;
    this.mtu = this.vnic.mtu;
    this.size = options.size ?? this.mtu;
    this.entries = Math.min(this.vnic.send.mask, this.vnic.recv.mask);
    this.memory = Buffer.from(new ArrayBuffer(2 * this.entries * this.size));
    this.region = regMr(this.pd, new LocalMemory(this.memory), {
      access: Access.LOCAL_WRITE,
      iova: 4096 * randomInt(1, 1 << 20),
    });
    for (let slot = 0; slot < this.entries; slot++) {
      this.freeSlots.push(slot);
      this.post(this.entries + slot);
    }
  }

  /** False when as many as the ring holds are on their way: poll with {@link receive}, and try again. */
  send(data: Uint8Array, address: string, port: number): boolean {
    if (data.length > this.size) throw new RangeError(`${data.length} bytes; a datagram holds ${this.size}`);
    const slot = this.freeSlots.pop();
    if (slot === undefined) return false;
    this.memory.set(data, slot * this.size);
    const ring = this.vnic.send;
    const at = produced(ring);
    this.describe(ring.u32, ring.word(at), slot, data.length);
    ring.u32[ring.word(at) + DESC.PORT] = port;
    ring.bytes.set(gidFromAddress(addressBytes(address)), ring.at(at) + DESC.ADDRESS * 4);
    ring.producer = ring.next(at);
    usnic.method(this.context, 'doorbell', { vnic: this.object });
    this.reap(false);
    return true;
  }

  /** The next datagram, or null when none is there. */
  receive(): Datagram | null {
    if (this.held >= 0) this.post(this.held);
    this.held = -1;
    return this.reap(true);
  }

  /** Takes completions off the ring up to the first datagram, which stays there unless it is asked for. */
  private reap(wanted: boolean): Datagram | null {
    const { comp } = this.vnic;
    const { u32 } = comp;
    for (let at = consumed(comp); at !== produced(comp); at = comp.next(at)) {
      const w = comp.word(at);
      const slot = get64(u32, w + COMP.WR_ID);
      const sent = u32[w + COMP.KIND] === KIND_SEND;
      if (!sent && !wanted) return null;
      if (sent) this.freeSlots.push(slot);
      else if (u32[w + COMP.STATUS] !== STATUS.OK) this.post(slot);
      else return this.take(at, w, slot);
      comp.consumer = comp.next(at);
    }
    return null;
  }

  private take(at: number, w: number, slot: number): Datagram | null {
    const { comp } = this.vnic;
    this.held = slot;
    const start = slot * this.size;
    const source = comp.bytes.subarray(comp.at(at) + COMP.ADDRESS * 4, comp.at(at) + COMP.ADDRESS * 4 + 16);
    const text = addressText(source);
    comp.consumer = comp.next(at);
    return {
      data: this.memory.subarray(start, start + comp.u32[w + COMP.LENGTH]),
      address: text.startsWith('::ffff:') ? text.slice(7) : text,
      port: comp.u32[w + COMP.PORT],
    };
  }

  private post(slot: number): void {
    const ring = this.vnic.recv;
    const at = produced(ring);
    this.describe(ring.u32, ring.word(at), slot, this.size);
    ring.producer = ring.next(at);
  }

  private describe(u32: Uint32Array, w: number, slot: number, length: number): void {
    put64(u32, w + DESC.ADDR, this.region.iova + slot * this.size);
    u32[w + DESC.LENGTH] = length;
    u32[w + DESC.LKEY] = this.region.lkey;
    put64(u32, w + DESC.WR_ID, slot);
  }

  close(): void {
    if (this.object.destroyed) return;
    usnic.method(this.context, 'destroy', { vnic: this.object });
    deregMr(this.region);
    deallocPd(this.pd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
