// Packets for the device: its own that come back to it, changed ones, made-up ones that have a shape, and noise.
import { QpType } from '../src/core/constants.ts';
import type { Unconfirmed } from '../src/transport/unconfirmed.ts';
import { BTH_LEN, BTH_MIG, BTH_PAD_SHIFT, BTH_SE, setBthPsn, writeBth } from '../src/wire/bth.ts';
import { putU24, putU32, putU64 } from '../src/wire/bytes.ts';
import { writeDeth } from '../src/wire/deth.ts';
import {
  CNP,
  ECHO,
  knownOpcodes,
  OPF_ATOMIC_WRITE,
  OPF_END,
  OPF_PAYLOAD,
  OPF_RESPONSE,
  OPF_START,
  opcodeAethOff,
  opcodeAtomicEthOff,
  opcodeDethOff,
  opcodeFethOff,
  opcodeFlags,
  opcodeHeaderLen,
  opcodeIethOff,
  opcodeImmOff,
  opcodeRethOff,
  PROBE,
} from '../src/wire/opcodes.ts';
import { PROBE_PACKET_LEN, writeProbe } from '../src/wire/probe.ts';
import type { Dice } from './dice.ts';
import { messageLength, psnNear, target, transportBits, WORDS } from './interesting.ts';
import type { Slot } from './slot.ts';
import { GROUP, QKEY, type World } from './world.ts';

const KNOWN = knownOpcodes();
/** Numbers of operations by transport, those that carry something more often. */
const RC_OPS = [
  ...[0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 10, 10, 11, 12, 12, 13, 14, 15, 16, 16, 17, 17, 17, 17, 18, 18, 19, 20, 22, 23],
  ...[28, 29],
];
const UC_OPS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const SYNDROMES = [
  ...[0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0, 5, 30, 0x20, 0x21, 0x2e, 0x3f, 0x40, 0x5f, 0x60, 0x60],
  ...[0x60, 0x61, 0x62, 0x63, 0x64, 0x65],
];

export class Packets {
  private readonly world: World;
  private readonly dice: Dice;
  private readonly buf = Buffer.from(new ArrayBuffer(8192));

  constructor(world: World) {
    this.world = world;
    this.dice = world.dice;
  }

  /** Mostly one that has no peer but the fuzzer, so that the others come to long conversations. */
  private victim(): Slot {
    const { slots } = this.world;
    const slot = this.dice.pick(slots);
    return slot.kind.partner >= 0 && this.dice.chance(0.75) ? this.dice.pick(slots) : slot;
  }

  /** What the device sent to itself arrives: most of it, nearly in order, at times twice. */
  returnOwn(): string {
    const { dice, world } = this;
    const { pool } = world;
    const { underWay } = pool;
    if (underWay.length === 0) return this.shaped();
    const disorder = dice.chance(0.03) ? dice.below(Math.min(underWay.length, 4)) : 0;
    const [number] = dice.chance(0.02) ? [underWay[disorder]] : underWay.splice(disorder, 1);
    const slot = pool.slotOf(number);
    if (slot < 0 || dice.chance(0.02)) return 'lost';
    const local = pool.locals[slot];
    const src = world.link.addresses[local].bytes;
    pool.bufs[slot].copy(this.buf, 0, 0, pool.lengths[slot]);
    world.delivery.put(this.buf, pool.lengths[slot], src, local, null, dice.chance(0.03) ? 3 : 2);
    return 'own';
  }

  /** A valid packet with one to three things changed, for some queue pair. */
  mutated(): string {
    const { dice, world } = this;
    const { pool, corpus } = world;
    let length: number;
    if (pool.filled > 0 && dice.chance(0.7)) {
      const at = dice.below(pool.filled);
      length = pool.lengths[at];
      pool.bufs[at].copy(this.buf, 0, 0, length);
    } else if (corpus.length > 0) {
      const packet = dice.pick(corpus);
      length = packet.copy(this.buf);
    } else return this.shaped();
    const slot = this.victim();
    if (dice.chance(0.9)) this.aim(slot);
    for (let n = dice.range(1, 3); n > 0; n--) length = this.change(length, slot);
    this.send(slot, length);
    return 'mutated';
  }

  /** Gives the packet in hand the number and a PSN of `slot`. */
  private aim(slot: Slot): void {
    putU24(this.buf, 5, slot.qp.qpn);
    this.buf[0] = (this.buf[0] & 0x1f) | transportBits(slot);
    const response = (opcodeFlags[this.buf[0]] & OPF_RESPONSE) !== 0;
    if (this.dice.chance(0.8)) setBthPsn(this.buf, 0, psnNear(this.dice, slot, response));
  }

  private change(length: number, slot: Slot): number {
    const { buf, dice } = this;
    const body = Math.max(1, length - 4);
    switch (dice.below(9)) {
      case 0:
        buf[dice.below(body)] ^= 1 << dice.below(8);
        return length;
      case 1:
        buf[dice.below(Math.min(body, 44))] = dice.u32();
        return length;
      case 2:
        putU32(buf, BTH_LEN + 4 * dice.below(8), dice.pick(WORDS));
        return length;
      case 3:
        return Math.max(1, length - dice.range(1, 8));
      case 4: {
        const more = dice.range(1, 64);
        buf.fill(dice.u32(), length, length + more);
        return Math.min(4300, length + more);
      }
      case 5:
        buf[0] = dice.chance(0.7) ? dice.pick(KNOWN) : dice.u32();
        return length;
      case 6:
        setBthPsn(buf, 0, psnNear(dice, slot, dice.chance(0.5)));
        return length;
      case 7:
        buf[BTH_LEN] = dice.pick(SYNDROMES);
        return length;
      default: {
        const t = target(dice, this.world, slot, dice.pick(WORDS));
        putU64(buf, BTH_LEN, t.va);
        putU32(buf, BTH_LEN + 8, t.key);
        if (dice.chance(0.5)) putU32(buf, BTH_LEN + 12, t.length);
        return length;
      }
    }
  }

  /** A packet made for the state that some queue pair is in. */
  shaped(): string {
    const { buf, dice } = this;
    const slot = this.victim();
    const { qp } = slot;
    let opcode = transportBits(slot);
    opcode |=
      slot.kind.type === QpType.RC
        ? dice.pick(RC_OPS)
        : slot.kind.type === QpType.UC
          ? dice.pick(UC_OPS)
          : dice.range(4, 5);
    if (dice.chance(0.04)) opcode = dice.chance(0.5) ? dice.pick(KNOWN) : dice.below(256);
    else if (dice.chance(0.01)) opcode = CNP;
    else if (dice.chance(0.011)) return this.probe(slot);
    const flags = opcodeFlags[opcode];
    const header = opcodeHeaderLen[opcode] || dice.range(12, 40);
    const size = this.payloadOf(flags, qp.mtu);
    const pad = dice.chance(0.95) ? -size & 3 : dice.below(4);
    const length = header + size + pad;
    const bits =
      (dice.chance(0.2) ? BTH_SE : 0) | (dice.chance(0.5) ? BTH_MIG : 0) | (dice.chance(0.01) ? dice.below(16) : 0);
    const pkey = dice.chance(0.97) ? 0xffff : dice.pick([0, 0x7fff, 0x8000, dice.below(65536)]);
    const response = (flags & OPF_RESPONSE) !== 0;
    writeBth(
      buf,
      0,
      opcode,
      bits | (pad << BTH_PAD_SHIFT),
      pkey,
      qp.qpn,
      dice.chance(0.5),
      psnNear(dice, slot, response),
    );
    if (dice.chance(0.1)) buf[4] = dice.u32();
    this.extensions(opcode, slot, flags, size);
    buf.fill(dice.u32(), header, length);
    this.send(slot, length + 4);
    return 'shaped';
  }

  /** One of our own that asks or answers, by a token that is known or not. */
  private probe(slot: Slot): string {
    const { buf, dice, world } = this;
    const { destinations } = world.rxe.port as unknown as { destinations: Map<unknown, Unconfirmed> };
    const known = [...destinations.values()];
    const to = known.length > 0 && dice.chance(0.9) ? dice.pick(known) : null;
    const count = dice.chance(0.2) ? dice.u32() : (to?.count ?? 0) - (dice.chance(0.5) ? 0 : dice.below(100_000));
    const grant = dice.chance(0.5) ? dice.below(100_000) : dice.pick(WORDS);
    writeProbe(buf, 0, dice.chance(0.7) ? ECHO : PROBE, 0xffff, to?.token ?? dice.u32(), count, grant);
    if (dice.chance(0.1)) buf[dice.below(PROBE_PACKET_LEN)] = dice.u32();
    this.send(slot, PROBE_PACKET_LEN + 4);
    return 'probe';
  }

  private payloadOf(flags: number, mtu: number): number {
    const { dice } = this;
    if ((flags & OPF_PAYLOAD) === 0) return dice.chance(0.97) ? 0 : dice.range(1, 64);
    const usual = dice.chance(0.92);
    if (usual && (flags & OPF_ATOMIC_WRITE) !== 0) return 8;
    if (usual && (flags & OPF_END) === 0) return mtu;
    if (usual && (flags & OPF_START) !== 0) return dice.chance(0.2) ? mtu : dice.range(0, Math.min(mtu, 200));
    if (usual) return dice.range(1, mtu);
    return Math.min(4096, dice.pick([0, 1, mtu - 1, mtu, mtu + 1, mtu * 2, dice.below(4097)]));
  }

  private extensions(opcode: number, slot: Slot, flags: number, size: number): void {
    const { buf, dice, world } = this;
    const feth = opcodeFethOff[opcode];
    if (feth > 0) putU32(buf, feth, dice.below(64));
    const reth = opcodeRethOff[opcode];
    if (reth > 0) {
      const whole = (flags & OPF_END) !== 0 && (flags & OPF_PAYLOAD) !== 0 && dice.chance(0.9);
      const t = target(dice, world, slot, whole ? size : messageLength(dice, slot));
      putU64(buf, reth, t.va);
      putU32(buf, reth + 8, t.key);
      putU32(buf, reth + 12, t.length);
    }
    const atomic = opcodeAtomicEthOff[opcode];
    if (atomic > 0) {
      const t = target(dice, world, slot, 8);
      putU64(buf, atomic, t.va);
      putU32(buf, atomic + 8, t.key);
      for (let i = 12; i < 28; i += 4) putU32(buf, atomic + i, dice.pick(WORDS));
    }
    const aeth = opcodeAethOff[opcode];
    if (aeth > 0) {
      buf[aeth] = dice.pick(SYNDROMES);
      putU24(buf, aeth + 1, dice.u32());
    }
    const deth = opcodeDethOff[opcode];
    if (deth > 0) writeDeth(buf, deth, dice.chance(0.9) ? QKEY : dice.u32(), dice.below(0x1000000));
    const imm = opcodeImmOff[opcode];
    if (imm > 0) putU32(buf, imm, dice.u32());
    const ieth = opcodeIethOff[opcode];
    if (ieth > 0) putU32(buf, ieth, dice.chance(0.8) ? dice.pick(world.windows).rkey : dice.u32());
  }

  noise(): string {
    const { buf, dice } = this;
    const length = dice.chance(0.9) ? dice.below(80) : dice.below(4300);
    for (let i = 0; i < length; i += 4) putU32(buf, i, dice.u32());
    const slot = this.victim();
    if (dice.chance(0.6)) {
      buf[1] &= 0xf0;
      putU24(buf, 5, slot.qp.qpn);
      if (dice.chance(0.8)) putU24(buf, 2, 0xffff00);
      if (dice.chance(0.5)) buf[0] = dice.pick(KNOWN);
    }
    this.send(slot, length);
    return 'noise';
  }

  /** The packet of `length` bytes with its ICRC's place comes in, most likely from the peer of `slot` and signed. */
  private send(slot: Slot, length: number): void {
    const { buf, dice, world } = this;
    let { local, address } = slot.peer;
    let group: Uint8Array | null = null;
    if (dice.chance(0.04)) {
      local = dice.below(2);
      address = dice.chance(0.5) ? world.stranger(local) : world.link.addresses[local].bytes;
      if (dice.chance(0.5)) {
        address = Uint8Array.from(address);
        address[address.length - 1] = dice.u32();
        address[address.length - 2] = dice.u32();
      }
    }
    if (slot.kind.type === QpType.UD && dice.chance(0.15)) {
      if (dice.chance(0.9)) putU24(buf, 5, 0xffffff);
      if (dice.chance(0.9)) {
        local = 0;
        address = world.stranger(0);
        group = GROUP;
      }
    }
    const body = length - 4;
    if (body >= 0 && dice.chance(0.98)) {
      world.delivery.sign(buf, body, address, group ?? world.link.addresses[local].bytes);
    }
    world.delivery.put(buf, length, address, local, group, dice.chance(0.05) ? 3 : 0);
  }
}
