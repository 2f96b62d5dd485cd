// The requester: makes packets of send work requests (IBTA 9.7.3, 9.8, 9.9). It stops at the peer's window, at a fence, at
// the limit of outstanding READs and ATOMICs, and while the peer's receiver is not ready; what wakes it calls run() again.
import { QpState, QpType, SendFlags, WcStatus, WrOpcode } from '../core/constants.ts';
import { writeAtomicEthHiLo } from '../wire/atomiceth.ts';
import { BTH_LEN, BTH_PAD_SHIFT, BTH_SE, writeBth } from '../wire/bth.ts';
import { writeDeth } from '../wire/deth.ts';
import { FETH_LEN, writeFeth } from '../wire/feth.ts';
import { writeIeth } from '../wire/ieth.ts';
import { writeImmDt } from '../wire/immdt.ts';
import {
  OP_ATOMIC_WRITE,
  OP_COMPARE_SWAP,
  OP_FETCH_ADD,
  OP_FLUSH,
  OP_READ_REQUEST,
  OP_SEND_ONLY,
  OP_SEND_ONLY_WITH_IMM,
  opcodeHeaderLen,
} from '../wire/opcodes.ts';
import { writeRethHiLo } from '../wire/reth.ts';
import { lacksCredit } from './credits.ts';
import { gather } from './data.ts';
import { dataOpcode } from './data-opcode.ts';
import type { Engine } from './engine.ts';
import { runLocal } from './local-ops.ts';
import { packetsNow } from './packet-checks.ts';
import type { Path } from './port.ts';
import { psnAdd, psnDiff } from './psn.ts';
import { Read, Slot, SlotState, type SoftQp } from './qp.ts';
import {
  failSlot,
  isAtomic,
  isLocal,
  isRead,
  openSlot,
  setSlot,
  slotBase,
  slotFlags,
  slotOp,
  slotState,
} from './send-slot.ts';
import { PACKET_OVERHEAD, readPiece } from './window.ts';
import { SQ, swap32 } from './wqe.ts';

const UC = 0x20;
const UD = 0x60;
/** A long message asks for an acknowledgement this often, so that the window opens before it is used up. */
const ACK_EVERY = 16;

export const Sent = {
  /** One packet (or a local operation) is done: go on. */
  YES: 0,
  /** Nothing to do, or something must happen first. */
  WAIT: 1,
  /** The link has no room. */
  NO_ROOM: 2,
} as const;

/** Where in `qp.reads` the next READ or ATOMIC to be asked for stands. */
const readAt = (qp: SoftQp): number => ((qp.readsHead + qp.readsOut) % qp.readsRoom) * Read.WORDS;

export class Requester {
  private readonly engine: Engine;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /** Sends up to `budget` packets; true when there may be more to send at once. */
  run(qp: SoftQp, budget: number): boolean {
    const state = qp.attr.state;
    if (state !== QpState.RTS && state !== QpState.SQD) {
      if (state === QpState.ERR || state === QpState.SQE) this.engine.completer.flush(qp);
      return false;
    }
    if (qp.rnrUntil > this.engine.now) return false;
    qp.rnrUntil = 0;
    this.engine.ahead.forget();
    for (let n = 0; n < budget; n++) {
      const sent = this.step(qp);
      if (sent === Sent.WAIT) return false;
      if (sent === Sent.NO_ROOM) return true;
    }
    return true;
  }

  private step(qp: SoftQp): number {
    const index = qp.sqNext;
    if (index === qp.sqFresh) {
      // SQD: what has begun is finished, nothing new begins (IBTA 10.3.1).
      if (index === qp.sq.producer || qp.attr.state === QpState.SQD) return Sent.WAIT;
      // A poster that takes its index back must not lead round the ring, into what is under way: one slot stays empty.
      if (qp.sq.next(index) === qp.sq.consumer) return Sent.WAIT;
      const status = openSlot(qp, index);
      qp.sqFresh = qp.sq.next(index);
      if (status !== WcStatus.SUCCESS) return this.failed(qp, index, status);
      if (this.engine.injector !== null) {
        const injected = this.engine.injector.workRequest(qp, slotOp(qp, index));
        if (injected !== WcStatus.SUCCESS) return this.failed(qp, index, injected);
      }
    }
    // IBTA 10.8.3.3, fence: wait for the READs and ATOMICs before it.
    if (qp.readsOut > 0 && qp.cursor === 0 && slotFlags(qp, index) & SendFlags.FENCE) return Sent.WAIT;
    const op = slotOp(qp, index);
    const state = slotState(qp, index);
    if (state === SlotState.FAILED) return Sent.WAIT;
    if (state === SlotState.DONE) return this.advance(qp, index);
    if (isLocal(op)) return this.local(qp, index, op);
    if (qp.type === QpType.UD || qp.type === QpType.GSI) return this.sendUd(qp, index, op);
    if (isRead(op)) return this.requestRead(qp, index);
    if (isAtomic(op)) return this.requestAtomic(qp, index, op);
    if (op === WrOpcode.FLUSH || op === WrOpcode.ATOMIC_WRITE) return this.requestPlacement(qp, index, op);
    return this.sendData(qp, index, op);
  }

  private advance(qp: SoftQp, index: number): number {
    qp.sqNext = qp.sq.next(index);
    qp.cursor = 0;
    this.engine.ahead.forget();
    return Sent.YES;
  }

  /** The element fails here. What precedes it completes first; then it ends the queue (IBTA 9.9.2, 10.8.3). */
  private failed(qp: SoftQp, index: number, status: number): number {
    failSlot(qp, index, status);
    this.engine.completer.retire(qp);
    return Sent.WAIT;
  }

  private local(qp: SoftQp, index: number, op: number): number {
    const status = runLocal(this.engine, qp, index, op);
    if (status !== WcStatus.SUCCESS) return this.failed(qp, index, status);
    setSlot(qp, index, SlotState.DONE, op, slotFlags(qp, index), 0);
    this.advance(qp, index);
    this.engine.completer.retire(qp);
    return Sent.YES;
  }

  /** One packet of a SEND or WRITE, on RC or UC. */
  private sendData(qp: SoftQp, index: number, op: number): number {
    const slots = qp.slots;
    const s = slotBase(index);
    const length = slots[s + Slot.LENGTH];
    const offset = qp.cursor;
    const path = qp.path!;
    const packets = packetsNow(qp, length - offset);
    const size = Math.min(packets * qp.mtu, length - offset);
    const first = offset === 0;
    const last = offset + size === length;
    const reliable = qp.type === QpType.RC;
    const cost = size + packets * PACKET_OVERHEAD;
    if (qp.credits >= 0 && first && lacksCredit(qp, index, op)) return Sent.WAIT;
    const unconfirmed = reliable ? null : (path.unconfirmed ?? null);
    if (!reliable && qp.pace !== null && this.engine.mustWait(qp)) return Sent.WAIT;
    if (unconfirmed !== null && !unconfirmed.admits(cost, path.window.used)) {
      this.engine.prober.wait(unconfirmed, qp);
      return Sent.WAIT;
    }
    if (reliable && !path.window.admits(cost, qp.inflight)) {
      path.window.wait(qp);
      return Sent.WAIT;
    }
    let opcode = dataOpcode(op, first, last);
    if (!reliable) opcode |= UC;
    const header = opcodeHeaderLen[opcode];
    const pad = -size & 3;
    const port = this.engine.port;
    const at = port.begin(path, header + size + pad);
    if (at < 0) return Sent.NO_ROOM;
    const buf = port.buf;
    const flags = slotFlags(qp, index);
    const psn = psnAdd(slots[s + Slot.FIRST], offset / qp.mtu);
    let ackReq = false;
    if (reliable) {
      qp.packetsSinceAckReq += packets;
      // Also where the window is about to stop us: without an answer it would not open before the timer runs out.
      ackReq = last || qp.packetsSinceAckReq >= ACK_EVERY || !path.window.admits(2 * cost, 1);
      if (ackReq) {
        qp.packetsSinceAckReq = 0;
        // Not what is sent again: its acknowledgement might be that of the first time (Karn's algorithm).
        if (qp.timedPsn < 0 && psn === qp.sndMax) {
          qp.timedPsn = psn;
          qp.timedAt = this.engine.now;
        }
      }
    }
    const solicited = last && flags & SendFlags.SOLICITED ? BTH_SE : 0;
    writeBth(
      buf,
      at,
      opcode,
      qp.mig | solicited | (pad << BTH_PAD_SHIFT),
      this.engine.pkey(qp),
      qp.attr.destQpn,
      ackReq,
      psn,
    );
    const u32 = qp.sq.u32;
    const w = qp.sq.word(index);
    let h = at + BTH_LEN;
    if (first && (op === WrOpcode.RDMA_WRITE || op === WrOpcode.RDMA_WRITE_WITH_IMM)) {
      writeRethHiLo(buf, h, u32[w + SQ.REMOTE_ADDR + 1], u32[w + SQ.REMOTE_ADDR], u32[w + SQ.RDMA_RKEY], length);
      h += 16;
    }
    if (last) {
      if (op === WrOpcode.SEND_WITH_IMM || op === WrOpcode.RDMA_WRITE_WITH_IMM) {
        writeImmDt(buf, h, swap32(u32[w + SQ.EX]));
      } else if (op === WrOpcode.SEND_WITH_INV) {
        writeIeth(buf, h, u32[w + SQ.EX]);
      }
    }
    const payload = at + header;
    const { keys, ahead } = this.engine;
    const inline = (flags & SendFlags.INLINE) !== 0;
    const status = gather(keys, ahead, qp, index, inline, offset, size, buf, payload);
    if (status !== WcStatus.SUCCESS) {
      port.cancel();
      return this.failed(qp, index, status);
    }
    buf.fill(0, payload + size, payload + size + pad);
    port.end();
    this.sent(qp, psn, packets);
    this.engine.counters.sent_pkts += packets - 1;
    if (reliable) {
      qp.inflight += cost;
      path.window.used += cost;
    } else {
      if (qp.pace !== null) qp.pace.sent(size, this.engine.now);
      if (unconfirmed !== null) this.engine.prober.sent(unconfirmed, cost, path);
    }
    if (last) {
      this.advance(qp, index);
      if (!reliable) this.engine.completer.sentUnreliable(qp);
    } else {
      qp.cursor = offset + size;
    }
    return Sent.YES;
  }

  /** Bookkeeping of a packet that has left: `count` PSNs from `psn`. */
  private sent(qp: SoftQp, psn: number, count: number): void {
    const engine = this.engine;
    engine.counters.sent_pkts++;
    const next = psnAdd(psn, count);
    qp.nextPsn = next;
    if (psnDiff(next, qp.sndMax) > 0) qp.sndMax = next;
    else if (qp.type === QpType.RC) engine.counters.retransmitted_pkts++;
    if (qp.type === QpType.RC && qp.ackDeadline === Number.POSITIVE_INFINITY) engine.armAckTimer(qp);
  }

  /**
   * A READ is asked for in pieces that our receive buffer is sure to hold: nothing else holds a responder back. A
   * responder sees READs in sequence; PSNs are those of one READ, as when the rest of one is repeated (IBTA 9.4.4).
   *
   * Linux rxe (duplicate_request) answers a repeated READ only if it lies within one that it was asked for before, and no
   * further back than it was last repeated from: so what is asked for again is all the rest of a piece.
   */
  private requestRead(qp: SoftQp, index: number): number {
    const engine = this.engine;
    if (qp.readsOut >= qp.attr.maxRdAtomic) return Sent.WAIT;
    const slots = qp.slots;
    const s = slotBase(index);
    const length = slots[s + Slot.LENGTH];
    const { receiveWindow } = engine.port;
    const { reads } = qp.path!;
    const psn = psnAdd(slots[s + Slot.FIRST], qp.cursor / qp.mtu);
    const again = qp.readsOut < qp.readsAsked;
    const piece = again
      ? psnDiff(qp.reads[readAt(qp) + Read.END], psn) + 1
      : readPiece(receiveWindow, reads, qp.mtu, length - qp.cursor, qp.readInflight);
    const size = Math.min(length - qp.cursor, piece * qp.mtu);
    const cost = size + piece * PACKET_OVERHEAD;
    const admitted = !again || (receiveWindow.admits(cost, qp.readInflight) && reads.admits(cost, qp.readInflight));
    if (piece === 0 || !admitted) {
      receiveWindow.wait(qp);
      return Sent.WAIT;
    }
    const port = engine.port;
    const at = port.begin(qp.path!, opcodeHeaderLen[OP_READ_REQUEST]);
    if (at < 0) return Sent.NO_ROOM;
    const w = qp.sq.word(index);
    const u32 = qp.sq.u32;
    writeBth(port.buf, at, OP_READ_REQUEST, qp.mig, engine.pkey(qp), qp.attr.destQpn, true, psn);
    // In two halves: a peer's address may be one of its kernel's, above 2^53.
    const low = u32[w + SQ.REMOTE_ADDR] + qp.cursor;
    const high = u32[w + SQ.REMOTE_ADDR + 1] + (low > 0xffffffff ? 1 : 0);
    writeRethHiLo(port.buf, at + BTH_LEN, high, low, u32[w + SQ.RDMA_RKEY], size);
    port.end();
    this.sent(qp, psn, piece);
    receiveWindow.used += cost;
    reads.used += cost;
    this.pushRead(qp, psnAdd(psn, piece - 1), cost);
    qp.cursor += size;
    return qp.cursor === length ? this.advance(qp, index) : Sent.YES;
  }

  private requestAtomic(qp: SoftQp, index: number, op: number): number {
    const engine = this.engine;
    if (qp.readsOut >= qp.attr.maxRdAtomic) return Sent.WAIT;
    const opcode = op === WrOpcode.ATOMIC_CMP_AND_SWP ? OP_COMPARE_SWAP : OP_FETCH_ADD;
    const port = engine.port;
    const at = port.begin(qp.path!, opcodeHeaderLen[opcode]);
    if (at < 0) return Sent.NO_ROOM;
    const w = qp.sq.word(index);
    const u32 = qp.sq.u32;
    const psn = qp.slots[slotBase(index) + Slot.FIRST];
    writeBth(port.buf, at, opcode, qp.mig, engine.pkey(qp), qp.attr.destQpn, true, psn);
    // AtomicETH has "swap or add data" first, then "compare data"; the work request has compare_add, then swap.
    const swap = op === WrOpcode.ATOMIC_CMP_AND_SWP;
    const lo = swap ? SQ.SWAP : SQ.COMPARE_ADD;
    const compareLo = swap ? u32[w + SQ.COMPARE_ADD] : 0;
    const compareHi = swap ? u32[w + SQ.COMPARE_ADD + 1] : 0;
    const h = at + BTH_LEN;
    writeAtomicEthHiLo(
      port.buf,
      h,
      u32[w + SQ.REMOTE_ADDR + 1],
      u32[w + SQ.REMOTE_ADDR],
      u32[w + SQ.ATOMIC_RKEY],
      u32[w + lo + 1],
      u32[w + lo],
      compareHi,
      compareLo,
    );
    port.end();
    this.sent(qp, psn, 1);
    this.pushRead(qp, psn, 0);
    return this.advance(qp, index);
  }

  /** FLUSH and ATOMIC WRITE (IBTA annex A19): one packet, answered by a READ response without data. */
  private requestPlacement(qp: SoftQp, index: number, op: number): number {
    const engine = this.engine;
    if (qp.readsOut >= qp.attr.maxRdAtomic) return Sent.WAIT;
    const opcode = op === WrOpcode.FLUSH ? OP_FLUSH : OP_ATOMIC_WRITE;
    const size = op === WrOpcode.FLUSH ? 0 : 8;
    const header = opcodeHeaderLen[opcode];
    const port = engine.port;
    const at = port.begin(qp.path!, header + size);
    if (at < 0) return Sent.NO_ROOM;
    const { buf } = port;
    const w = qp.sq.word(index);
    const u32 = qp.sq.u32;
    const s = slotBase(index);
    const psn = qp.slots[s + Slot.FIRST];
    const vaLo = u32[w + SQ.REMOTE_ADDR];
    const vaHi = u32[w + SQ.REMOTE_ADDR + 1];
    writeBth(buf, at, opcode, qp.mig, engine.pkey(qp), qp.attr.destQpn, true, psn);
    if (op === WrOpcode.FLUSH) {
      const typeLevel = u32[w + SQ.FLUSH_TYPE_LEVEL];
      writeFeth(buf, at + BTH_LEN, typeLevel & 0xff, (typeLevel >>> 8) & 0xff);
      writeRethHiLo(buf, at + BTH_LEN + FETH_LEN, vaHi, vaLo, u32[w + SQ.FLUSH_RKEY], qp.slots[s + Slot.LENGTH]);
    } else {
      writeRethHiLo(buf, at + BTH_LEN, vaHi, vaLo, u32[w + SQ.RDMA_RKEY], size);
      gather(engine.keys, engine.ahead, qp, index, true, 0, size, buf, at + header);
    }
    port.end();
    this.sent(qp, psn, 1);
    this.pushRead(qp, psn, 0);
    return this.advance(qp, index);
  }

  private pushRead(qp: SoftQp, end: number, cost: number): void {
    qp.needReads();
    const { reads } = qp;
    const r = readAt(qp);
    if (qp.readsOut === qp.readsAsked) {
      reads[r + Read.END] = end;
      qp.readsAsked++;
    }
    reads[r + Read.COST] = cost;
    reads[r + Read.AT] = this.engine.now;
    qp.readsOut++;
    qp.readInflight += cost;
  }

  private sendUd(qp: SoftQp, index: number, op: number): number {
    const engine = this.engine;
    const u32 = qp.sq.u32;
    const w = qp.sq.word(index);
    const ah = engine.ahs.get(u32[w + SQ.AH_NUM]);
    // C10-10: of another protection domain than the queue pair.
    if (ah === undefined || ah.pd !== qp.pd) return this.failed(qp, index, WcStatus.LOC_QP_OP_ERR);
    const s = slotBase(index);
    const size = qp.slots[s + Slot.LENGTH];
    if (size > qp.mtu) {
      // C10-93.1.1: longer than the port's MTU, it is not sent, and that is no error.
      this.advance(qp, index);
      engine.completer.sentUnreliable(qp);
      return Sent.YES;
    }
    const { path } = ah;
    const unconfirmed = path.unconfirmed ?? null;
    const cost = size + PACKET_OVERHEAD;
    // Management datagrams are few, and their senders do not wait long for an answer.
    if (unconfirmed !== null && qp.type === QpType.UD && !unconfirmed.admits(cost, path.window.used)) {
      engine.prober.wait(unconfirmed, qp);
      return Sent.WAIT;
    }
    const imm = op === WrOpcode.SEND_WITH_IMM;
    const opcode = (imm ? OP_SEND_ONLY_WITH_IMM : OP_SEND_ONLY) | UD;
    const header = opcodeHeaderLen[opcode];
    const pad = -size & 3;
    const port = engine.port;
    const at = port.begin(path, header + size + pad);
    if (at < 0) return Sent.NO_ROOM;
    const buf = port.buf;
    const flags = slotFlags(qp, index);
    const psn = qp.slots[s + Slot.FIRST];
    const bits = qp.mig | (flags & SendFlags.SOLICITED ? BTH_SE : 0) | (pad << BTH_PAD_SHIFT);
    writeBth(buf, at, opcode, bits, engine.pkey(qp), u32[w + SQ.REMOTE_QPN] & 0xffffff, false, psn);
    // IBTA 10.2.5: a Q_Key with the high bit set in the request stands for the QP's own.
    const qkey = u32[w + SQ.REMOTE_QKEY];
    writeDeth(buf, at + BTH_LEN, qkey & 0x80000000 ? qp.attr.qkey : qkey, qp.qpn);
    if (imm) writeImmDt(buf, at + BTH_LEN + 8, swap32(u32[w + SQ.EX]));
    const payload = at + header;
    const inline = (flags & SendFlags.INLINE) !== 0;
    const status = gather(engine.keys, engine.ahead, qp, index, inline, 0, size, buf, payload);
    if (status !== WcStatus.SUCCESS) {
      port.cancel();
      return this.failed(qp, index, status);
    }
    buf.fill(0, payload + size, payload + size + pad);
    port.end();
    this.sent(qp, psn, 1);
    if (unconfirmed !== null) engine.prober.sent(unconfirmed, cost, path);
    this.advance(qp, index);
    engine.completer.sentUnreliable(qp);
    return Sent.YES;
  }

  /** Go back to `psn` and send from there again. Everything from it on counts as lost. */
  goBack(qp: SoftQp, psn: number): void {
    this.releaseWindow(qp);
    this.releaseReads(qp, qp.readInflight);
    qp.readsOut = 0;
    this.seek(qp, psn);
    qp.packetsSinceAckReq = 0;
    qp.timedPsn = -1;
    qp.goneBack = true;
    this.engine.activate(qp);
  }

  /** The next packet to send is the one with `psn`: at or after the oldest that is not acknowledged. */
  seek(qp: SoftQp, psn: number): void {
    const ring = qp.sq;
    for (let index = ring.consumer; index !== qp.sqFresh; index = ring.next(index)) {
      const state = slotState(qp, index);
      if (state === SlotState.FAILED || state === SlotState.OPEN) {
        // Nothing after it is sent, ever or until its turn has come.
        qp.sqNext = index;
        qp.cursor = 0;
        qp.nextPsn = psn;
        return;
      }
      if (state !== SlotState.STARTED) continue;
      const s = slotBase(index);
      if (psnDiff(psn, qp.slots[s + Slot.LAST]) > 0) continue;
      qp.sqNext = index;
      qp.cursor = Math.max(0, psnDiff(psn, qp.slots[s + Slot.FIRST])) * qp.mtu;
      qp.nextPsn = psn;
      return;
    }
    qp.sqNext = qp.sqFresh;
    qp.cursor = 0;
    qp.nextPsn = psn;
  }

  /** Gives the peer's window back. */
  releaseWindow(qp: SoftQp): void {
    if (qp.path !== null && qp.inflight > 0) this.engine.wake(qp.path.window.release(qp.inflight));
    qp.inflight = 0;
  }

  /** `qp` goes another way from now on. What is in flight leaves the old way's windows, which others share. */
  takePath(qp: SoftQp, path: Path): void {
    this.releaseWindow(qp);
    if (qp.path !== null) this.engine.wake(qp.path.reads.release(qp.readInflight));
    path.reads.used += qp.readInflight;
    qp.path = path;
  }

  /** READ responses that cost so much are not awaited any more. */
  releaseReads(qp: SoftQp, cost: number): void {
    if (cost === 0) return;
    qp.readInflight -= cost;
    this.engine.wake(this.engine.port.receiveWindow.release(cost));
    if (qp.path !== null) this.engine.wake(qp.path.reads.release(cost));
  }

  /** Nothing of this QP is in flight any more. */
  releaseAll(qp: SoftQp): void {
    this.releaseWindow(qp);
    this.releaseReads(qp, qp.readInflight);
    qp.readsHead = 0;
    qp.readsAsked = 0;
    qp.readsOut = 0;
  }
}
