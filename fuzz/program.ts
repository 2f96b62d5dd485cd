// What the program at the device does: posts, polls, registers memory, and at times writes over the queues it shares.
import { Access, QpState, QpType, ReregFlags, SendFlags, SrqAttrMask, WrOpcode } from '../src/core/constants.ts';
import * as verbs from '../src/core/verbs.ts';
import { RecvWr, SendWr, type Sge } from '../src/core/work.ts';
import { RING_HEADER, type Ring } from '../src/transport/ring.ts';
import type { Dice } from './dice.ts';
import { messageLength, target, WORDS } from './interesting.ts';
import type { Posted } from './ledger.ts';
import { REGION_BYTES } from './memory.ts';
import type { Slot } from './slot.ts';
import { GROUP, QKEY, type World } from './world.ts';

const W = WrOpcode;
const RC_OPS = [
  ...[W.SEND, W.SEND, W.SEND_WITH_IMM, W.SEND_WITH_INV, W.RDMA_WRITE, W.RDMA_WRITE, W.RDMA_WRITE_WITH_IMM, W.RDMA_READ],
  ...[W.RDMA_READ, W.RDMA_READ, W.ATOMIC_CMP_AND_SWP, W.ATOMIC_FETCH_AND_ADD, W.LOCAL_INV, W.BIND_MW, W.BIND_MW],
  ...[W.FLUSH, W.ATOMIC_WRITE],
];
const UC_OPS = [W.SEND, W.SEND_WITH_IMM, W.RDMA_WRITE, W.RDMA_WRITE_WITH_IMM, W.BIND_MW, W.LOCAL_INV];

export class Program {
  private readonly world: World;
  private readonly dice: Dice;

  constructor(world: World) {
    this.world = world;
    this.dice = world.dice;
  }

  /** Local ranges of `length` bytes altogether, in at most `most` parts. */
  private ranges(slot: Slot, length: number, most: number, write: boolean): Sge[] {
    const { dice, world } = this;
    const out: Sge[] = [];
    let left = length;
    for (let n = dice.range(1, Math.max(1, most)); n > 0; n--) {
      let regions = world.regionsOf(slot.pd);
      if (write && dice.chance(0.98)) regions = regions.filter((r) => (r.access & Access.LOCAL_WRITE) !== 0);
      if (regions.length === 0 || dice.chance(0.002)) regions = world.arena.regions.filter((r) => r.mr !== null);
      if (regions.length === 0) return out;
      const { mr } = dice.pick(regions);
      const part = n === 1 ? left : dice.below(left + 1);
      const room = Math.max(0, REGION_BYTES - part);
      const offset = dice.chance(0.995) ? dice.below(room + 1) : room + dice.range(-1, 1);
      const lkey = dice.chance(0.998) ? mr!.lkey : dice.u32();
      out.push({ addr: Math.max(0, mr!.iova + offset), length: part, lkey });
      left -= part;
    }
    return out;
  }

  /** A slot whose queue pair most likely runs. */
  private running(): Slot {
    const { dice, world } = this;
    let slot = dice.pick(world.slots);
    for (let n = 0; n < 4 && !slot.running; n++) slot = dice.pick(world.slots);
    return slot;
  }

  postSend(): string {
    const { dice, world } = this;
    const slot = this.running();
    const { qp, kind } = slot;
    const wr = new SendWr();
    wr.wrId = world.nextWr();
    wr.opcode =
      kind.type === QpType.RC ? dice.pick(RC_OPS) : kind.type === QpType.UC ? dice.pick(UC_OPS) : dice.range(2, 3);
    if (dice.chance(0.005)) wr.opcode = dice.below(20);
    wr.flags = (dice.chance(0.6) ? SendFlags.SIGNALED : 0) | (dice.chance(0.2) ? SendFlags.SOLICITED : 0);
    if (dice.chance(0.1)) wr.flags |= SendFlags.FENCE;
    const atomic = wr.opcode === W.ATOMIC_CMP_AND_SWP || wr.opcode === W.ATOMIC_FETCH_AND_ADD;
    const eight = atomic || wr.opcode === W.ATOMIC_WRITE;
    let length = eight ? 8 : messageLength(dice, slot);
    if (kind.type === QpType.UD && dice.chance(0.97)) length = Math.min(length, 600);
    if (length > REGION_BYTES && dice.chance(0.9)) length = REGION_BYTES;
    if (!eight && wr.opcode !== W.RDMA_READ && dice.chance(0.1)) {
      wr.flags |= SendFlags.INLINE;
      wr.inline = Buffer.alloc(Math.min(length, qp.cap.maxInlineData + (dice.chance(0.02) ? 1 : 0)), dice.u32() & 0xff);
    } else {
      wr.sge = this.ranges(slot, length, qp.cap.maxSendSge, atomic || wr.opcode === W.RDMA_READ);
      wr.numSge = wr.sge.length;
    }
    this.aim(wr, slot, length);
    // What a refused post throws leaves it out.
    const held = dice.chance(0.1);
    world.rxe.device.ops.postSend(qp, wr, held);
    slot.held = held;
    const signaled = qp.sqSigAll || (wr.flags & SendFlags.SIGNALED) !== 0;
    slot.send.posted.set(wr.wrId, this.entry(wr.opcode, wr.sge, length, signaled));
    return `send ${wr.opcode} on ${slot.index}`;
  }

  private entry(op: number, sge: Sge[], length: number, signaled: boolean): Posted {
    return { op, sge: sge.map((s) => ({ ...s })), length, signaled };
  }

  private aim(wr: SendWr, slot: Slot, length: number): void {
    const { dice, world } = this;
    const t = target(dice, world, slot, length);
    wr.remoteAddr = t.va;
    wr.rkey = t.key;
    wr.imm = dice.u32();
    wr.compareAdd = BigInt(dice.u32()) * BigInt(dice.u32());
    wr.swap = BigInt(dice.u32());
    wr.flushType = dice.below(4);
    wr.flushLevel = dice.below(2);
    wr.flushLength = length;
    const mw = dice.pick(world.windows);
    if (wr.opcode === W.LOCAL_INV || wr.opcode === W.SEND_WITH_INV) wr.imm = dice.chance(0.9) ? mw.rkey : dice.u32();
    if (wr.opcode === W.BIND_MW) {
      const region = dice.pick(world.arena.regions);
      wr.mw = mw;
      wr.bindMr = region.mr;
      wr.bindLength = dice.chance(0.1) ? 0 : dice.below(REGION_BYTES + (dice.chance(0.1) ? 9000 : 0));
      const room = Math.max(0, REGION_BYTES - wr.bindLength);
      wr.bindAddr = (region.mr?.iova ?? 0) + (dice.chance(0.95) ? dice.below(room + 1) : room + 1);
      wr.bindAccess = dice.below(64);
      wr.bindRkey = ((mw.rkey & ~0xff) | dice.below(256)) >>> 0;
      if (dice.chance(0.02)) wr.bindRkey = dice.u32();
    }
    if (slot.kind.type === QpType.UD) {
      wr.ah = dice.pick(world.ahs);
      wr.remoteQpn = dice.chance(0.9) ? dice.pick(world.slots).qp.qpn : dice.u32();
      if (dice.chance(0.1)) wr.remoteQpn = 0xffffff;
      wr.remoteQkey = dice.chance(0.9) ? QKEY : dice.u32();
    }
  }

  postRecv(): string {
    const { dice, world } = this;
    const slot = this.running();
    const { qp } = slot;
    const wr = new RecvWr();
    const { ops } = world.rxe.device;
    for (let n = dice.range(1, 6); n > 0; n--) {
      wr.wrId = world.nextWr();
      const length = dice.chance(0.7) ? dice.range(500, 4000) : dice.below(REGION_BYTES);
      wr.sge = this.ranges(slot, length, slot.shared ? 3 : qp.cap.maxRecvSge, true);
      wr.numSge = wr.sge.length;
      if (slot.shared) ops.postSrqRecv(world.srq, wr);
      else ops.postRecv(qp, wr);
      const sum = wr.sge.reduce((total, s) => total + s.length, 0);
      slot.recv.posted.set(wr.wrId, this.entry(0, wr.sge, sum, true));
    }
    return `receive on ${slot.index}`;
  }

  pollOne(): string {
    const { dice, world } = this;
    const at = dice.below(world.cqs.length);
    world.poll(world.cqs[at], dice.range(1, 64));
    return `poll ${at}`;
  }

  pollAll(): string {
    for (const cq of this.world.cqs) this.world.poll(cq, 64);
    return 'poll all';
  }

  /** Deregisters a region or registers it anew, or changes its rights. */
  memory(): string {
    const { dice, world } = this;
    const gone = world.arena.regions.filter((r) => r.mr === null);
    const region = dice.pick(gone.length > 0 && dice.chance(0.8) ? gone : world.arena.regions);
    const { mr } = region;
    if (mr === null) {
      world.register(region);
      return `register region ${region.index}`;
    }
    if (region.sealed || dice.chance(0.5)) {
      verbs.deregMr(mr);
      region.mr = null;
      return `deregister region ${region.index}`;
    }
    const access = dice.below(32) | Access.LOCAL_WRITE | (dice.below(2) << 8);
    verbs.reregMr(mr, ReregFlags.ACCESS, { access });
    region.access = access;
    return `access ${access} for region ${region.index}`;
  }

  /** Writes something over a queue, as a program may that shares it, and rings. */
  scribble(): string {
    const { dice, world } = this;
    const slot = dice.pick(world.slots);
    const { qp } = slot;
    switch (dice.weighted([60, 20, 10, 4])) {
      case 0:
        this.overwrite(qp.sq);
        slot.send.dirty = true;
        if (qp.attr.state >= QpState.RTS && dice.chance(0.8)) world.rxe.engine.doorbell(qp);
        return `scribble over send queue ${slot.index}`;
      case 1:
        if (qp.rq === null) return 'nothing';
        this.overwrite(qp.rq);
        slot.recv.dirty = true;
        return `scribble over receive queue ${slot.index}`;
      case 2:
        this.overwrite((world.srq as unknown as { ring: Ring }).ring);
        world.srqQueue.dirty = true;
        return 'scribble over SRQ';
      default: {
        const cq = dice.pick(world.cqs);
        this.overwrite((cq as unknown as { ring: Ring }).ring);
        world.dirtyCqs.add(cq);
        return 'scribble over CQ';
      }
    }
  }

  private overwrite({ u32 }: Ring): void {
    const { dice } = this;
    const first = RING_HEADER >> 2;
    for (let n = dice.range(1, 3); n > 0; n--) {
      const at = dice.weighted([25, 10, 60, 5]);
      const word =
        at === 0 ? 32 : at === 1 ? 64 : at === 2 ? first + dice.below(u32.length - first) : dice.below(first);
      u32[word] = dice.chance(0.6) ? dice.pick(WORDS) : dice.u32();
    }
  }

  /** What is done now and then. */
  rarely(): string {
    const { dice, world } = this;
    const at = dice.below(world.cqs.length);
    const cq = world.cqs[at];
    switch (dice.below(6)) {
      case 0:
        verbs.resizeCq(cq, dice.pick([7, 63, 255, 1023, 2047]));
        return `resize CQ ${at}`;
      case 1:
        verbs.modifySrq(world.srq, { maxWr: dice.pick([8, 30, 100]) }, SrqAttrMask.MAX_WR);
        return 'resize SRQ';
      case 2:
        verbs.modifySrq(world.srq, { limit: dice.below(20) }, SrqAttrMask.LIMIT);
        return 'limit of SRQ';
      case 3: {
        const slot = dice.pick(world.udSlots());
        if (dice.chance(0.6)) verbs.attachMcast(slot.qp, GROUP);
        else verbs.detachMcast(slot.qp, GROUP);
        return `multicast of ${slot.index}`;
      }
      case 4:
        if (!cq.failed || cq.users > 0) return 'nothing';
        verbs.destroyCq(cq);
        world.dirtyCqs.delete(cq);
        world.cqs[at] = verbs.createCq(world.context, 511);
        return `new CQ ${at}`;
      default:
        world.ahs.push(world.ahs.shift()!);
        if (dice.chance(0.2)) {
          const { av, pd } = world.ahs[0];
          verbs.destroyAh(world.ahs[0]);
          world.ahs[0] = verbs.createAh(pd, av);
        }
        return 'AH';
    }
  }
}
