// Gives packets to the device, looks at those it sends, and judges each access to memory by the packet it is for.
import { Access, QpType } from '../src/core/constants.ts';
import { ArrivalRecord } from '../src/link/arrival.ts';
import type { Flow } from '../src/link/link.ts';
import type { SoftQp } from '../src/transport/qp.ts';
import { BTH_LEN, bthOpcode, bthPad, bthPsn, bthQpn } from '../src/wire/bth.ts';
import { getU32 } from '../src/wire/bytes.ts';
import { dethSqpn } from '../src/wire/deth.ts';
import { icrcLen4, icrcLen6, icrcSeed4, icrcSeed6, icrcWrite } from '../src/wire/icrc.ts';
import {
  OPF_ATOMIC,
  OPF_ATOMIC_ACK,
  OPF_ATOMIC_WRITE,
  OPF_READ_RESP,
  OPF_RETH,
  OPF_SEND,
  OPF_WRITE,
  opcodeAtomicEthOff,
  opcodeDethOff,
  opcodeFlags,
  opcodeHeaderLen,
  opcodeName,
  opcodeRethOff,
} from '../src/wire/opcodes.ts';
import type { Outstanding, Posted } from './ledger.ts';
import type { Traffic } from './link.ts';
import { CANARY, type Judge, type Region, SECRET } from './memory.ts';
import type { Slot } from './slot.ts';
import { violated } from './violation.ts';
import type { World } from './world.ts';

const SPORT = 4791;
const MULTICAST_QPN = 0xffffff;

/** One packet that went one way or the other, as a trace keeps it. */
export interface Traced {
  readonly incoming: boolean;
  readonly at: number;
  readonly local: number;
  readonly remote: Uint8Array;
  readonly group: Uint8Array | null;
  readonly bytes: Buffer;
}

export class Delivery implements Traffic, Judge {
  /** Packets of both directions, when someone wants to see them. */
  trace: Traced[] | null = null;
  sentPackets = 0;
  /** Of what the device is taking in. */
  private opcode = -1;
  private key: number | null = null;
  private slot: Slot | null = null;
  private readonly world: World;
  private readonly seeds = new Map<string, number>();
  /** Regions read from since the packet in hand was begun. */
  private readonly reads: Region[] = [];
  private readonly readAt: number[] = [];
  private readonly readLength: number[] = [];

  constructor(world: World) {
    this.world = world;
  }

  private seedOf(src: Uint8Array, dst: Uint8Array): number {
    const key = `${src.join()}>${dst.join()}`;
    let seed = this.seeds.get(key);
    if (seed === undefined) {
      seed = src.length === 4 ? icrcSeed4(src, dst, SPORT, SPORT, true) : icrcSeed6(src, dst, SPORT, SPORT);
      this.seeds.set(key, seed);
    }
    return seed;
  }

  /** Writes the ICRC behind `length` bytes of `buf` as a host at `src` would. */
  sign(buf: Buffer, length: number, src: Uint8Array, dst: Uint8Array): void {
    const udp = length + 12;
    icrcWrite(this.seedOf(src, dst) ^ (src.length === 4 ? icrcLen4(udp) : icrcLen6(udp)), buf, 0, length);
  }

  /** A datagram of `length` bytes, ICRC included, comes in. */
  put(buf: Buffer, length: number, src: Uint8Array, local: number, group: Uint8Array | null, tos: number): void {
    const a = new ArrivalRecord();
    a.buf = buf;
    a.len = length;
    a.family = src.length === 4 ? 4 : 6;
    a.src = src;
    a.sport = SPORT;
    a.dport = SPORT;
    a.local = local;
    a.group = group;
    a.tos = tos;
    this.world.link.incoming.push(a);
    const bytes = this.trace === null ? null : Buffer.from(buf.subarray(0, length));
    if (bytes !== null) this.trace!.push({ incoming: true, at: this.world.now, local, remote: src, group, bytes });
  }

  taking(a: ArrivalRecord): void {
    const { buf, off, len } = a;
    this.opcode = len < BTH_LEN ? 256 : bthOpcode(buf, off);
    const qpn = len < BTH_LEN ? -1 : bthQpn(buf, off);
    this.slot = qpn === MULTICAST_QPN ? null : (this.world.owners.get(qpn) ?? null);
    const reth = opcodeRethOff[this.opcode];
    const atomic = opcodeAtomicEthOff[this.opcode];
    this.key = reth > 0 ? getU32(buf, off + reth + 8) : atomic > 0 ? getU32(buf, off + atomic + 8) : null;
  }

  taken(): void {
    this.opcode = -1;
    this.slot = null;
  }

  // Accesses to memory

  read(region: Region, offset: number, length: number): void {
    if (this.opcode >= 0) {
      if ((opcodeFlags[this.opcode] & OPF_ATOMIC) === 0)
        violated('memory read while a packet is taken in', opcodeName(this.opcode));
      this.mayReach(region, offset, length, Access.REMOTE_ATOMIC);
      return;
    }
    this.reads.push(region);
    this.readAt.push(offset);
    this.readLength.push(length);
  }

  write(region: Region, offset: number, length: number): void {
    if (this.opcode < 0) violated('memory written while no packet is taken in', `region ${region.index}`);
    const flags = opcodeFlags[this.opcode];
    if (flags & (OPF_WRITE | OPF_ATOMIC_WRITE)) return this.mayReach(region, offset, length, Access.REMOTE_WRITE);
    if (flags & OPF_ATOMIC) return this.mayReach(region, offset, length, Access.REMOTE_ATOMIC);
    const { slot } = this;
    if (slot === null) {
      // Multicast: any of the datagram queue pairs.
      if (!this.world.udSlots().some((s) => s.pd === region.pd)) violated('write across domains', 'multicast');
      return;
    }
    if (slot.pd !== region.pd) violated('write across domains', `region ${region.index}, QP ${slot.qp.qpn}`);
    if (flags & OPF_SEND) this.mustBeNamed(slot.recv, inHand(slot.qp), region, offset, length);
    else if (flags & (OPF_READ_RESP | OPF_ATOMIC_ACK)) this.mustBeNamed(slot.send, -1, region, offset, length);
    else violated('memory written for a packet that carries nothing', opcodeName(this.opcode));
  }

  private mayReach(region: Region, offset: number, length: number, right: number): void {
    const { slot } = this;
    if (slot === null) return violated('remote access through no queue pair', opcodeName(this.opcode));
    const { qp } = slot;
    const named = (opcodeFlags[this.opcode] & OPF_RETH) !== 0 || right === Access.REMOTE_ATOMIC;
    if (named && (qp.attr.accessFlags & right) === 0)
      violated('remote access that the queue pair does not allow', opcodeName(this.opcode));
    if (!region.grants(named ? this.key : null, qp, qp.pd, offset, length, right))
      violated('remote access without a right', `${opcodeName(this.opcode)}: region ${region.index}, right ${right}`);
  }

  /** The bytes are among those that a request of this queue named. */
  private mustBeNamed(queue: Outstanding, wrId: number, region: Region, offset: number, length: number): void {
    if (queue.dirty) return;
    const { lkey, iova } = region.mr!;
    const from = iova + offset;
    const covers = ({ sge }: Posted): boolean =>
      sge.some((s) => s.lkey === lkey && from >= s.addr && from + length <= s.addr + s.length);
    if (wrId >= 0) {
      const it = queue.posted.get(wrId);
      if (it === undefined || !covers(it)) violated('write where no request points', `wr_id ${wrId}`);
      return;
    }
    for (const it of queue.posted.values()) if (covers(it)) return;
    violated('write where no request points', `region ${region.index}, ${length} bytes at ${offset}`);
  }

  // What the device sends

  begun(): void {
    this.reads.length = 0;
    this.readAt.length = 0;
    this.readLength.length = 0;
  }

  sent(flow: Flow, buf: Buffer, at: number, length: number): void {
    this.sentPackets++;
    const { world } = this;
    const opcode = bthOpcode(buf, at);
    const header = opcodeHeaderLen[opcode];
    const payload = length - header - bthPad(buf, at) - 4;
    if (header === 0 || payload < 0) violated('malformed packet sent', `opcode ${opcode}, ${length} bytes`);
    if (bthPsn(buf, at) > 0xffffff) violated('malformed packet sent', 'PSN');
    if (payload > 0) this.checkPayload(buf, at, opcode, header, payload);
    const to = flow.dst;
    const toSelf = world.link.addresses.some((a) => sameBytes(a.bytes, to));
    world.pool.add(buf, at, length, flow.local, toSelf);
    if (this.trace !== null) {
      const bytes = Buffer.from(buf.subarray(at, at + length));
      this.trace.push({ incoming: false, at: world.now, local: flow.local, remote: to, group: null, bytes });
    }
  }

  private checkPayload(buf: Buffer, at: number, opcode: number, header: number, payload: number): void {
    const body = buf.subarray(at + header, at + header + payload);
    if (body.indexOf(CANARY) >= 0) violated('canary in a packet', opcodeName(opcode));
    const response = (opcodeFlags[opcode] & OPF_READ_RESP) !== 0;
    if (response && body.indexOf(SECRET) >= 0 && !this.granted())
      violated('secret in a READ response', opcodeName(opcode));
    if (this.reads.length === 0) return;
    const senders = this.sendersOf(buf, at, opcode);
    for (let i = 0; i < this.reads.length; i++) {
      const region = this.reads[i];
      const allowed = senders.some((qp) =>
        response
          ? region.grants(null, qp, qp.pd, this.readAt[i], this.readLength[i], Access.REMOTE_READ)
          : qp.pd === region.pd,
      );
      if (!allowed) violated('memory read without a right', `${opcodeName(opcode)}: region ${region.index}`);
    }
  }

  /** A region registered without REMOTE_READ may be granted by a window, and then its secret is none. */
  private granted(): boolean {
    const { windows } = this.world;
    const open = (region: Region): boolean =>
      (region.access & Access.REMOTE_READ) !== 0 ||
      windows.some((mw) => mw.mr === region.mr && (mw.access & Access.REMOTE_READ) !== 0);
    return this.reads.length > 0 && this.reads.every(open);
  }

  /** The queue pairs that a packet may be of. */
  private sendersOf(buf: Buffer, at: number, opcode: number): SoftQp[] {
    const deth = opcodeDethOff[opcode];
    if (deth > 0) {
      const slot = this.world.owners.get(dethSqpn(buf, at + deth));
      return slot === undefined ? [] : [slot.qp];
    }
    const destQpn = bthQpn(buf, at);
    return this.world.slots.map((s) => s.qp).filter((qp) => qp.type !== QpType.UD && qp.attr.destQpn === destQpn);
  }
}

const inHand = (qp: SoftQp): number => qp.recv.wrIdLo + qp.recv.wrIdHi * 2 ** 32;

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
