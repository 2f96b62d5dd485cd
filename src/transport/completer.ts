// The completer: what acknowledgements and responses mean for the send queue (IBTA 9.7.5, 9.7.7).
import { QpState, SendFlags, WcStatus } from '../core/constants.ts';
import {
  AETH_ACK,
  AETH_ACK_UNLIMITED,
  AETH_RNR_NAK,
  AETH_TYPE_MASK,
  AETH_VALUE_MASK,
  aethSyndrome,
  NAK_INV_RD_REQ,
  NAK_INV_REQ,
  NAK_PSN_SEQ,
  NAK_REM_ACC,
  NAK_REM_OP,
  rnrTimerUs,
} from '../wire/aeth.ts';
import { atomicAckEthOrigHi, atomicAckEthOrigLo } from '../wire/atomicacketh.ts';
import {
  OP_ACKNOWLEDGE,
  OPF_AETH,
  OPF_ATOMIC_ACK,
  OPF_READ_RESP,
  opcodeAethOff,
  opcodeAtomicAckEthOff,
  opcodeFlags,
} from '../wire/opcodes.ts';
import { consumes, takeCredits } from './credits.ts';
import { scatterResponse } from './data.ts';
import type { Engine } from './engine.ts';
import { packetsOf, responseOk } from './packet-checks.ts';
import type { Inbound } from './port.ts';
import { psnAdd, psnDiff } from './psn.ts';
import { Read, Slot, SlotState, type SoftQp } from './qp.ts';
import {
  hasAnswer,
  isAtomic,
  isRead,
  slotBase,
  slotFlags,
  slotOp,
  slotState,
  slotStatus,
  wcOpcode,
} from './send-slot.ts';
import { PACKET_OVERHEAD } from './window.ts';
import { SQ } from './wqe.ts';

/** Part of the transport timer's interval that an answer should not take. */
const SLOW = 1 / 4;
/** rnr_retry 7: try for ever (`IBV_QP_RNR_RETRY`; IBTA 9.7.5.2.8). */
const FOREVER = 7;

export class Completer {
  private readonly engine: Engine;
  private readonly scratch = Buffer.from(new ArrayBuffer(8));

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /** A response packet (acknowledge, READ response, ATOMIC acknowledge) whose payload is `length` bytes at `payload` of its body. */
  receive(qp: SoftQp, packet: Inbound, opcode: number, psn: number, payload: number, length: number): void {
    const { buf, off } = packet;
    const state = qp.attr.state;
    if (state !== QpState.RTS && state !== QpState.SQD) return;
    const flags = opcodeFlags[opcode];
    // Not of anything outstanding: a duplicate, or a ghost of an earlier connection (IBTA 9.7.2).
    const before = psnDiff(psn, qp.una);
    if (before < 0 || psnDiff(psn, qp.sndMax) >= 0) {
      // IBTA 9.7.7.2: what was acknowledged last is acknowledged again when there are new credits.
      if (before === -1 && qp.credits >= 0 && opcode === OP_ACKNOWLEDGE)
        this.credits(qp, aethSyndrome(buf, off + opcodeAethOff[opcode]), true);
      return;
    }
    if (flags & OPF_AETH) {
      const syndrome = aethSyndrome(buf, off + opcodeAethOff[opcode]);
      if ((syndrome & AETH_TYPE_MASK) !== AETH_ACK) {
        this.nak(qp, syndrome, psn);
        return;
      }
      if (syndrome !== AETH_ACK_UNLIMITED || qp.credits >= 0) this.credits(qp, syndrome, false);
    }
    if (flags & OPF_READ_RESP) this.readResponse(qp, packet, psn, payload, length);
    else if (flags & OPF_ATOMIC_ACK) this.atomicResponse(qp, buf, off + opcodeAtomicAckEthOff[opcode], psn);
    else this.acknowledge(qp, psnAdd(psn, 1));
  }

  private credits(qp: SoftQp, syndrome: number, again: boolean): void {
    if ((syndrome & AETH_TYPE_MASK) !== AETH_ACK) return;
    takeCredits(qp, syndrome, again);
    this.engine.activate(qp);
  }

  /** All before `psn` has been received; false when a READ or ATOMIC among it has had no response: that was lost. */
  private acknowledge(qp: SoftQp, psn: number): boolean {
    const ring = qp.sq;
    const slots = qp.slots;
    let una = qp.una;
    let released = 0;
    let whole = true;
    if (qp.timedPsn >= 0 && psnDiff(psn, qp.timedPsn) > 0) {
      qp.slow = qp.timeoutUs !== 0 && this.engine.now - qp.timedAt > qp.timeoutUs * SLOW;
      qp.timedPsn = -1;
    }
    for (let index = ring.consumer; index !== qp.sqFresh && psnDiff(psn, una) > 0; index = ring.next(index)) {
      if (slotState(qp, index) !== SlotState.STARTED) continue;
      const s = slotBase(index);
      const first = slots[s + Slot.FIRST];
      const after = psnAdd(slots[s + Slot.LAST], 1);
      if (psnDiff(after, una) <= 0) continue;
      if (psnDiff(first, psn) >= 0) break;
      const op = slotOp(qp, index);
      if (hasAnswer(op)) {
        // IBTA 9.7.5.1.2: an acknowledgement of a later request is an implied NAK of a READ without its response.
        whole = false;
        break;
      }
      const from = psnDiff(una, first) > 0 ? una : first;
      const to = psnDiff(psn, after) < 0 ? psn : after;
      const length = slots[s + Slot.LENGTH];
      const bytes = Math.min(length, psnDiff(to, first) * qp.mtu) - Math.min(length, psnDiff(from, first) * qp.mtu);
      released += bytes + psnDiff(to, from) * PACKET_OVERHEAD;
      una = to;
    }
    if (released > 0) {
      released = Math.min(released, qp.inflight);
      qp.inflight -= released;
      // A peer that needs long has enough in its queues: with more there, one loss would let the timer run out, time and again.
      if (!qp.slow) qp.path!.window.acknowledged(released, qp.mtu + PACKET_OVERHEAD);
      this.engine.wake(qp.path!.window.release(released));
    }
    this.progress(qp, una);
    if (!whole) this.lost(qp);
    return whole;
  }

  /** The oldest unacknowledged PSN is now `una`. */
  private progress(qp: SoftQp, una: number): void {
    if (una === qp.una) return;
    const engine = this.engine;
    qp.una = una;
    qp.goneBack = false;
    qp.retryLeft = qp.attr.retryCnt;
    qp.rnrLeft = qp.attr.rnrRetry;
    if (psnDiff(una, qp.nextPsn) > 0) {
      // More than has been sent again: nothing was lost, the peer was slow.
      qp.cutWindow?.unlost();
      engine.requester.seek(qp, una);
    }
    qp.cutWindow = null;
    if (una === qp.sndMax) engine.stopAckTimer(qp);
    else engine.armAckTimer(qp);
    this.retire(qp);
    engine.activate(qp);
  }

  /** Something sent from `una` on did not arrive, or its response did not: once for each loss, send it again. */
  private lost(qp: SoftQp): void {
    // What was acknowledged may have made a request that failed here the oldest, and ended the queue.
    if (qp.goneBack || qp.attr.state === QpState.ERR) return;
    this.retry(qp);
  }

  private retry(qp: SoftQp): void {
    const engine = this.engine;
    if (qp.retryLeft === 0) {
      engine.counters.retry_exceeded_err++;
      this.failOldest(qp, WcStatus.RETRY_EXC_ERR);
      return;
    }
    qp.retryLeft--;
    engine.counters.completer_retry_err++;
    const { window, reads } = qp.path!;
    qp.cutWindow = this.oldestReads(qp) ? reads : window;
    qp.cutWindow.lost(engine.now);
    engine.requester.goBack(qp, qp.una);
    engine.armAckTimer(qp);
  }

  /** Is a READ response what is awaited next? */
  private oldestReads(qp: SoftQp): boolean {
    const ring = qp.sq;
    for (let index = ring.consumer; index !== qp.sqFresh; index = ring.next(index)) {
      if (slotState(qp, index) !== SlotState.STARTED) continue;
      if (psnDiff(qp.una, qp.slots[slotBase(index) + Slot.LAST]) <= 0) return isRead(slotOp(qp, index));
    }
    return false;
  }

  /** The transport timer, which every RC send queue has, ran out (C9-139). */
  timeout(qp: SoftQp): void {
    if (qp.una === qp.sndMax) return;
    this.engine.counters.timeouts++;
    this.retry(qp);
  }

  private nak(qp: SoftQp, syndrome: number, psn: number): void {
    const engine = this.engine;
    // A NAK acknowledges what comes before its PSN (IBTA 9.7.5.1.2; Linux rxe check_ack).
    if (!this.acknowledge(qp, psn) || qp.attr.state === QpState.ERR) return;
    // It has gone back already and sent nothing since: another copy of the NAK that made it.
    if (qp.goneBack && qp.nextPsn === qp.una) return;
    if ((syndrome & AETH_TYPE_MASK) === AETH_RNR_NAK) {
      engine.counters.rcvd_rnr_err++;
      if (qp.rnrLeft === 0) {
        engine.counters.retry_rnr_exceeded_err++;
        this.failOldest(qp, WcStatus.RNR_RETRY_EXC_ERR);
        return;
      }
      if (qp.rnrLeft !== FOREVER) qp.rnrLeft--;
      engine.requester.goBack(qp, qp.una);
      engine.stopAckTimer(qp);
      qp.rnrUntil = engine.now + rnrTimerUs[syndrome & AETH_VALUE_MASK];
      engine.setDeadline(qp);
      return;
    }
    switch (syndrome) {
      case NAK_PSN_SEQ:
        engine.counters.rcvd_seq_err++;
        this.retry(qp);
        break;
      case NAK_INV_REQ:
        this.failOldest(qp, WcStatus.REM_INV_REQ_ERR);
        break;
      case NAK_REM_ACC:
        this.failOldest(qp, WcStatus.REM_ACCESS_ERR);
        break;
      case NAK_REM_OP:
        this.failOldest(qp, WcStatus.REM_OP_ERR);
        break;
      case NAK_INV_RD_REQ:
        this.failOldest(qp, WcStatus.REM_INV_RD_REQ_ERR);
        break;
      default:
        // A code that is reserved: not something to act on.
        break;
    }
  }

  private readResponse(qp: SoftQp, packet: Inbound, psn: number, payload: number, length: number): void {
    const index = this.expect(qp, psn);
    if (index < 0) return;
    const op = slotOp(qp, index);
    if (isAtomic(op) || !hasAnswer(op) || (!isRead(op) && length > 0))
      return this.failOldest(qp, WcStatus.BAD_RESP_ERR);
    if (!isRead(op)) return this.answered(qp, psn);
    const s = slotBase(index);
    const total = qp.slots[s + Slot.LENGTH];
    const offset = psnDiff(psn, qp.slots[s + Slot.FIRST]) * qp.mtu;
    const packets = packetsOf(qp, length);
    // More than was asked for so far?
    const tooFar = packets > 1 && psnDiff(psnAdd(psn, packets - 1), qp.sndMax) >= 0;
    if (tooFar || !responseOk(qp, length, total - offset, packet.jumbo === true))
      return this.failOldest(qp, WcStatus.BAD_RESP_ERR);
    if (length > 0) {
      const status = scatterResponse(this.engine.keys, qp, index, offset, length, packet.body, payload);
      if (status !== WcStatus.SUCCESS) return this.failOldest(qp, status);
    }
    this.answered(qp, psnAdd(psn, packets - 1));
  }

  private atomicResponse(qp: SoftQp, buf: Buffer, eth: number, psn: number): void {
    const index = this.expect(qp, psn);
    if (index < 0) return;
    if (!isAtomic(slotOp(qp, index))) return this.failOldest(qp, WcStatus.BAD_RESP_ERR);
    // The original value goes to memory as a number of this host.
    this.scratch.writeUInt32LE(atomicAckEthOrigLo(buf, eth), 0);
    this.scratch.writeUInt32LE(atomicAckEthOrigHi(buf, eth), 4);
    const status = scatterResponse(this.engine.keys, qp, index, 0, 8, this.scratch, 0);
    if (status !== WcStatus.SUCCESS) return this.failOldest(qp, status);
    this.answered(qp, psn);
  }

  /** The element whose next response is `psn`; -1 when the response came out of its turn. */
  private expect(qp: SoftQp, psn: number): number {
    if (!this.acknowledge(qp, this.firstOf(qp, psn)) || qp.attr.state === QpState.ERR) return -1;
    if (psn !== qp.una) {
      this.lost(qp);
      return -1;
    }
    const ring = qp.sq;
    for (let index = ring.consumer; index !== qp.sqFresh; index = ring.next(index)) {
      if (slotState(qp, index) === SlotState.STARTED && psnDiff(psn, qp.slots[slotBase(index) + Slot.LAST]) <= 0)
        return index;
    }
    return -1;
  }

  /** First PSN of the element that `psn` belongs to, or what of it is still awaited. */
  private firstOf(qp: SoftQp, psn: number): number {
    const ring = qp.sq;
    for (let index = ring.consumer; index !== qp.sqFresh; index = ring.next(index)) {
      if (slotState(qp, index) !== SlotState.STARTED) continue;
      const s = slotBase(index);
      if (psnDiff(psn, qp.slots[s + Slot.LAST]) <= 0) return qp.slots[s + Slot.FIRST];
    }
    return qp.una;
  }

  /** A response was taken in: frees the READs and ATOMICs that end at or before it. */
  private answered(qp: SoftQp, psn: number): void {
    const { engine } = this;
    const { reads } = qp;
    while (qp.readsAsked > 0) {
      const r = qp.readsHead * Read.WORDS;
      if (psnDiff(reads[r + Read.END], psn) > 0) break;
      const cost = reads[r + Read.COST];
      const took = engine.now - reads[r + Read.AT];
      qp.readsHead = (qp.readsHead + 1) % qp.readsRoom;
      qp.readsAsked--;
      // Answered late, when it counted as lost already.
      if (qp.readsOut === 0) continue;
      qp.readsOut--;
      if (cost > 0) {
        // A responder that needs longer has enough to answer: asking for more would only let the timer run out.
        if (qp.timeoutUs === 0 || took < qp.timeoutUs * SLOW) {
          qp.path!.reads.acknowledged(cost, qp.mtu + PACKET_OVERHEAD);
        }
        engine.requester.releaseReads(qp, cost);
      }
    }
    this.progress(qp, psnAdd(psn, 1));
  }

  /** Completes what is done at the head of the send queue, in the order of posting (IBTA 10.8.3). */
  retire(qp: SoftQp): void {
    const ring = qp.sq;
    let index = ring.consumer;
    const start = index;
    while (index !== qp.sqFresh) {
      const state = slotState(qp, index);
      if (state === SlotState.FAILED) {
        this.failOldest(qp, slotStatus(qp, index));
        return;
      }
      if (state === SlotState.OPEN) break;
      if (state === SlotState.STARTED && psnDiff(qp.una, qp.slots[slotBase(index) + Slot.LAST]) <= 0) break;
      if (consumes(slotOp(qp, index))) qp.sendsOut--;
      this.complete(qp, index, WcStatus.SUCCESS);
      // Its CQ has overrun, and the rest is flushed.
      if (qp.attr.state === QpState.ERR) return;
      index = ring.next(index);
    }
    if (index !== start) this.engine.drained(qp);
  }

  /** UC and UD: what has left is done. */
  sentUnreliable(qp: SoftQp): void {
    qp.una = qp.sqPsn;
    this.retire(qp);
  }

  /** Takes the oldest element off the queue, and completes it. */
  private complete(qp: SoftQp, index: number, status: number): void {
    const flags = slotFlags(qp, index);
    const op = slotOp(qp, index);
    const length = qp.slots[slotBase(index) + Slot.LENGTH];
    const u32 = qp.sq.u32;
    const w = qp.sq.word(index);
    const lo = u32[w + SQ.WR_ID];
    const hi = u32[w + SQ.WR_ID + 1];
    qp.slots[slotBase(index)] = SlotState.FRESH;
    // Before the completion: a program that sees it, in another process, at once has room for another work request.
    qp.sq.consumer = qp.sq.next(index);
    if (status === WcStatus.SUCCESS && !qp.sqSigAll && (flags & SendFlags.SIGNALED) === 0) return;
    qp.scq.complete(lo, hi, status, wcOpcode(op), length, 0, qp.qpn, 0, 0, false);
  }

  /** The oldest element ends in error; the queue pair goes with it and the rest is flushed (IBTA 9.9.2). */
  failOldest(qp: SoftQp, status: number): void {
    const index = qp.sq.consumer;
    if (index !== qp.sqFresh) {
      this.complete(qp, index, status);
    }
    this.engine.sendQueueError(qp);
  }

  /** Completes all that is on the send queue, looked at or not, with WR_FLUSH_ERR. */
  flush(qp: SoftQp): void {
    const ring = qp.sq;
    const end = ring.producer;
    const u32 = ring.u32;
    qp.needSlots();
    // Read anew each time: a completion may lead to a flush of its own.
    for (let index = ring.consumer; index !== end; index = ring.consumer) {
      const w = ring.word(index);
      const op = slotState(qp, index) === SlotState.FRESH ? u32[w + SQ.OPCODE] : slotOp(qp, index);
      const lo = u32[w + SQ.WR_ID];
      const hi = u32[w + SQ.WR_ID + 1];
      qp.slots[slotBase(index)] = SlotState.FRESH;
      ring.consumer = ring.next(index);
      qp.scq.complete(lo, hi, WcStatus.WR_FLUSH_ERR, wcOpcode(op), 0, 0, qp.qpn, 0, 0, false);
    }
    qp.sqFresh = ring.consumer;
    qp.sqNext = ring.consumer;
    qp.cursor = 0;
    qp.sendsOut = 0;
  }
}
