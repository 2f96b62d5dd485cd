// The responder of a reliable connection: takes requests in, in order, and answers them (IBTA 9.7.4, 9.7.5, 9.7.6).
import { Access, EventType, FlushLevel, FlushType, QpState, WcFlags, WcOpcode, WcStatus } from '../core/constants.ts';
import type { MemoryRegion, MemoryWindow } from '../core/mr.ts';
import { AETH_ACK_UNLIMITED, AETH_RNR_NAK, NAK_INV_REQ, NAK_PSN_SEQ, NAK_REM_ACC, NAK_REM_OP } from '../wire/aeth.ts';
import {
  atomicEthCompareHi,
  atomicEthCompareLo,
  atomicEthRkey,
  atomicEthSwapHi,
  atomicEthSwapLo,
  atomicEthVa,
} from '../wire/atomiceth.ts';
import { bthAckReq } from '../wire/bth.ts';
import { getU32 } from '../wire/bytes.ts';
import { fethPlt, fethSel } from '../wire/feth.ts';
import { iethRkey } from '../wire/ieth.ts';
import {
  OP_COMPARE_SWAP,
  OPF_ATOMIC,
  OPF_ATOMIC_WRITE,
  OPF_END,
  OPF_FLUSH,
  OPF_IETH,
  OPF_IMM,
  OPF_READ_REQ,
  OPF_RETH,
  OPF_RWR,
  OPF_SEND,
  OPF_START,
  OPF_WRITE,
  opcodeAtomicEthOff,
  opcodeFethOff,
  opcodeFlags,
  opcodeIethOff,
  opcodeImmOff,
  opcodeRethOff,
} from '../wire/opcodes.ts';
import { rethDmaLen, rethRkey, rethVa } from '../wire/reth.ts';
import { scatterRecv } from './data.ts';
import type { Engine } from './engine.ts';
import { jobEnd, jobLimit, mayRepeat, tooMany } from './jobs.ts';
import { invalidate } from './local-ops.ts';
import { isSolicited, lengthOk, packetsOf, sequenceOk } from './packet-checks.ts';
import type { Inbound } from './port.ts';
import { psnAdd, psnDiff } from './psn.ts';
import { InMessage, Resource, ResourceKind, type SoftQp } from './qp.ts';
import { MAX_MESSAGE } from './send-slot.ts';
import { swap32 } from './wqe.ts';

/** What a step of taking a packet in ended with: fine, or the NAK syndrome that answers it. */
const OK = 0;
/** It has been refused already. */
const REFUSED = -1;

export class Responder {
  private readonly engine: Engine;
  private readonly scratch = Buffer.from(new ArrayBuffer(8));
  /** A receive work request has been completed in error for the packet in hand. */
  private blamed = false;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /** A request packet of an RC queue pair whose payload is `length` bytes at `payload` of its body. */
  receive(qp: SoftQp, packet: Inbound, opcode: number, psn: number, payload: number, length: number): void {
    const state = qp.attr.state;
    if (state < QpState.RTR || state === QpState.ERR || qp.respStopped) return;
    const flags = opcodeFlags[opcode];
    const distance = psnDiff(psn, qp.ePsn);
    if (distance < 0) return this.duplicate(qp, packet, opcode, psn);
    if (distance > 0) {
      // One NAK for a gap, until the packet that is missing comes (IBTA 9.7.4.1.2; Linux rxe check_psn).
      this.engine.counters.out_of_seq_request++;
      if (qp.nakSent) return;
      qp.nakSent = true;
      this.answer(qp, NAK_PSN_SEQ, qp.ePsn);
      return;
    }
    qp.nakSent = false;
    this.blamed = false;
    if (!qp.established) this.establish(qp);
    if (!sequenceOk(qp, flags) || !lengthOk(qp, flags, length, packet.jumbo === true))
      return this.refuse(qp, NAK_INV_REQ, psn);
    const syndrome = this.take(qp, packet, opcode, flags, psn, payload, length);
    if (syndrome === REFUSED) return;
    if (syndrome !== OK) return this.refuse(qp, syndrome, psn);
    if (flags & ANSWERED) return;
    const last = psnAdd(psn, packetsOf(qp, length) - 1);
    qp.ePsn = psnAdd(last, 1);
    // C9-148: one for each message, none for a duplicate.
    if (flags & OPF_END) qp.msn = (qp.msn + 1) & 0xffffff;
    if (bthAckReq(packet.buf, packet.off)) this.answer(qp, AETH_ACK_UNLIMITED, last);
    // What was to be NAKed has come after all.
    else if (qp.ackSyndrome === NAK_PSN_SEQ) this.answer(qp, AETH_ACK_UNLIMITED, last);
  }

  /** The first packet of the peer says that the connection stands (IBTA 11.6.3.1, Communication Established). */
  private establish(qp: SoftQp): void {
    qp.established = true;
    if (qp.attr.state === QpState.RTR) qp.context.device.raise(EventType.COMM_EST, qp);
  }

  private take(
    qp: SoftQp,
    packet: Inbound,
    opcode: number,
    flags: number,
    psn: number,
    payload: number,
    length: number,
  ): number {
    if (flags & OPF_SEND) return this.takeSend(qp, packet, opcode, flags, payload, length);
    if (flags & OPF_WRITE) return this.takeWrite(qp, packet, opcode, flags, payload, length);
    const { buf, off } = packet;
    if (flags & OPF_READ_REQ) return this.takeRead(qp, buf, off + opcodeRethOff[opcode], psn);
    if (flags & OPF_ATOMIC) return this.takeAtomic(qp, buf, off + opcodeAtomicEthOff[opcode], opcode, psn);
    if (flags & OPF_ATOMIC_WRITE) return this.takeAtomicWrite(qp, packet, off + opcodeRethOff[opcode], payload, psn);
    if (flags & OPF_FLUSH)
      return this.takeFlush(qp, buf, off + opcodeFethOff[opcode], off + opcodeRethOff[opcode], psn);
    return NAK_INV_REQ;
  }

  private takeSend(
    qp: SoftQp,
    packet: Inbound,
    opcode: number,
    flags: number,
    payload: number,
    length: number,
  ): number {
    const { buf, off } = packet;
    const recv = qp.recv;
    if (flags & OPF_START) {
      if (!this.engine.takeRecv(qp)) return AETH_RNR_NAK;
      qp.recvOffset = 0;
      qp.inMessage = InMessage.SEND;
    }
    // Too long for the buffers (IBTA 9.7.4.1.6): an invalid request for the peer, a length error for the receiver.
    if (qp.recvOffset + length > recv.length) return this.recvError(qp, WcStatus.LOC_LEN_ERR, NAK_INV_REQ);
    if (length > 0) {
      const status = scatterRecv(
        this.engine.keys,
        this.engine.placement,
        qp,
        recv,
        qp.recvOffset,
        length,
        packet.body,
        payload,
      );
      if (qp.respStopped) return REFUSED;
      if (status !== WcStatus.SUCCESS) return this.recvError(qp, status, NAK_REM_OP);
      qp.recvOffset += length;
    }
    if (flags & OPF_END) {
      this.engine.placement.settle();
      if (qp.respStopped) return REFUSED;
      let ex = 0;
      let wcFlags = 0;
      if (flags & OPF_IMM) {
        ex = swap32(getU32(buf, off + opcodeImmOff[opcode]));
        wcFlags = WcFlags.WITH_IMM;
      } else if (flags & OPF_IETH) {
        ex = iethRkey(buf, off + opcodeIethOff[opcode]);
        if (!invalidate(this.engine, qp, ex)) return this.recvError(qp, WcStatus.LOC_ACCESS_ERR, NAK_REM_ACC);
        wcFlags = WcFlags.WITH_INV;
      }
      qp.inMessage = InMessage.NONE;
      this.engine.completeRecv(
        qp,
        WcStatus.SUCCESS,
        WcOpcode.RECV,
        qp.recvOffset,
        ex,
        wcFlags,
        isSolicited(buf, off),
        0,
      );
    }
    return OK;
  }

  private takeWrite(
    qp: SoftQp,
    packet: Inbound,
    opcode: number,
    flags: number,
    payload: number,
    length: number,
  ): number {
    const { buf, off } = packet;
    const keys = this.engine.keys;
    /** Bytes that have been found allowed just now. */
    let allowed = 0;
    if (flags & OPF_RETH) {
      if ((qp.attr.accessFlags & Access.REMOTE_WRITE) === 0) return NAK_INV_REQ;
      qp.beginWrite(buf, off + opcodeRethOff[opcode]);
      // C9-94
      if (qp.writeTotal > MAX_MESSAGE) return NAK_INV_REQ;
      // C9-88: the R_Key of a WRITE of length zero is not checked.
      if (qp.writeLeft > 0 && !keys.remote(qp.writeRkey, qp, qp.writeVa, qp.writeLeft, Access.REMOTE_WRITE))
        return NAK_REM_ACC;
      allowed = qp.writeLeft;
    }
    // The packets together carry what the RETH announced, no more and no less (IBTA 9.7.4.1.6).
    if (length > qp.writeLeft || (flags & OPF_END && length !== qp.writeLeft)) return NAK_INV_REQ;
    // C10-87: a WRITE takes a receive request only if it has immediate data.
    if (flags & OPF_RWR) {
      if (!qp.recv.active && !this.engine.takeRecv(qp)) return AETH_RNR_NAK;
      allowed = 0;
    }
    if (length > 0) {
      if (length !== allowed && !keys.remote(qp.writeRkey, qp, qp.writeVa, length, Access.REMOTE_WRITE))
        return NAK_REM_ACC;
      const written = this.engine.placement.write(qp, keys.memory!, keys.offset, packet.body, payload, length);
      if (!written) return qp.respStopped ? REFUSED : NAK_REM_OP;
      qp.writeVa += length;
      qp.writeLeft -= length;
    }
    qp.inMessage = flags & OPF_END ? InMessage.NONE : InMessage.WRITE;
    if (flags & OPF_RWR) {
      this.engine.placement.settle();
      if (qp.respStopped) return REFUSED;
      const imm = swap32(getU32(buf, off + opcodeImmOff[opcode]));
      const solicited = isSolicited(buf, off);
      const op = WcOpcode.RECV_RDMA_WITH_IMM;
      this.engine.completeRecv(qp, WcStatus.SUCCESS, op, qp.writeTotal, imm, WcFlags.WITH_IMM, solicited, 0);
    }
    return OK;
  }

  private takeRead(qp: SoftQp, buf: Buffer, reth: number, psn: number): number {
    if ((qp.attr.accessFlags & Access.REMOTE_READ) === 0) return NAK_INV_REQ;
    const va = rethVa(buf, reth);
    const rkey = rethRkey(buf, reth);
    const length = rethDmaLen(buf, reth);
    // C9-88, as for a WRITE.
    // C9-94
    if (length > MAX_MESSAGE) return NAK_INV_REQ;
    if (length > 0 && !this.engine.keys.remote(rkey, qp, va, length, Access.REMOTE_READ)) return NAK_REM_ACC;
    // More READs and ATOMICs at a time than the connection was set up for (IBTA 9.7.5.2.2).
    if (tooMany(qp)) return NAK_INV_REQ;
    const packets = Math.max(1, Math.ceil(length / qp.mtu));
    qp.msn = (qp.msn + 1) & 0xffffff;
    qp.ePsn = psnAdd(psn, packets);
    this.queueRead(qp, psn, va, rkey, length, false);
    return OK;
  }

  private queueRead(qp: SoftQp, psn: number, va: number, rkey: number, length: number, repeated: boolean): void {
    const job = this.jobAt(qp, psn, repeated);
    job.kind = ResourceKind.READ;
    job.psn = psn;
    job.va = va;
    job.rkey = rkey;
    job.length = length;
    job.offset = 0;
    job.msn = qp.msn;
  }

  /** A place in the queue of answers: that of an answer to the same PSN which is still waiting, else the last. */
  private jobAt(qp: SoftQp, psn: number, repeated: boolean): Resource {
    this.engine.activate(qp);
    for (const job of qp.jobs) {
      if (psnDiff(psn, job.psn) >= 0 && psnDiff(psn, jobEnd(qp, job)) < 0) return job;
    }
    const job = this.engine.spareJobs.pop() ?? new Resource();
    job.repeated = repeated;
    // C9-110: answers go out in the order of the PSNs, so that one to an earlier request comes before those in progress.
    let at = qp.jobs.length;
    while (at > 0 && psnDiff(qp.jobs[at - 1].psn, psn) > 0) at--;
    if (at === qp.jobs.length) qp.jobs.push(job);
    else qp.jobs.splice(at, 0, job);
    return job;
  }

  private takeAtomic(qp: SoftQp, buf: Buffer, eth: number, opcode: number, psn: number): number {
    if ((qp.attr.accessFlags & Access.REMOTE_ATOMIC) === 0) return NAK_INV_REQ;
    const va = atomicEthVa(buf, eth);
    const keys = this.engine.keys;
    // IBTA 9.4.5: the address must be a multiple of 8.
    if (va % 8 !== 0) return NAK_INV_REQ;
    this.engine.placement.settle();
    if (qp.respStopped) return REFUSED;
    if (!keys.remote(atomicEthRkey(buf, eth), qp, va, 8, Access.REMOTE_ATOMIC)) return NAK_REM_ACC;
    if (tooMany(qp)) return NAK_INV_REQ;
    const value = this.scratch;
    if (!keys.memory!.read(keys.offset, value, 0, 8)) return NAK_REM_OP;
    const lo = value.readUInt32LE(0);
    const hi = value.readUInt32LE(4);
    const swapLo = atomicEthSwapLo(buf, eth);
    const swapHi = atomicEthSwapHi(buf, eth);
    let store = true;
    if (opcode === OP_COMPARE_SWAP) {
      store = lo === atomicEthCompareLo(buf, eth) && hi === atomicEthCompareHi(buf, eth);
      value.writeUInt32LE(swapLo, 0);
      value.writeUInt32LE(swapHi, 4);
    } else {
      const sum = lo + swapLo;
      value.writeUInt32LE(sum >>> 0, 0);
      value.writeUInt32LE((hi + swapHi + (sum > 0xffffffff ? 1 : 0)) >>> 0, 4);
    }
    if (store && !keys.memory!.write(keys.offset, value, 0, 8)) return NAK_REM_OP;
    qp.msn = (qp.msn + 1) & 0xffffff;
    qp.ePsn = psnAdd(psn, 1);
    this.keepAtomic(qp, psn, hi, lo);
    return OK;
  }

  /** IBTA 9.4.5: the result is kept, so that a duplicate gets the same answer without being carried out again. */
  private keepAtomic(qp: SoftQp, psn: number, hi: number, lo: number): void {
    const limit = jobLimit(qp);
    if (qp.atomics.length < limit) qp.atomics.push(new Resource());
    const kept = qp.atomics[qp.atomicsNext % qp.atomics.length];
    qp.atomicsNext = (qp.atomicsNext + 1) % limit;
    kept.kind = ResourceKind.ATOMIC;
    kept.psn = psn;
    kept.origHi = hi;
    kept.origLo = lo;
    kept.msn = qp.msn;
    this.queueAtomic(qp, kept, false);
  }

  private queueAtomic(qp: SoftQp, kept: Resource, repeated: boolean): void {
    const job = this.jobAt(qp, kept.psn, repeated);
    job.kind = ResourceKind.ATOMIC;
    job.psn = kept.psn;
    job.origHi = kept.origHi;
    job.origLo = kept.origLo;
    job.msn = kept.msn;
  }

  /** A request that was taken in before: answered again, and carried out again only if it is a READ. */
  private duplicate(qp: SoftQp, { buf, off }: Inbound, opcode: number, psn: number): void {
    this.engine.counters.duplicate_request++;
    const flags = opcodeFlags[opcode];
    if (flags & OPF_READ_REQ) {
      const reth = off + opcodeRethOff[opcode];
      const va = rethVa(buf, reth);
      const rkey = rethRkey(buf, reth);
      const size = rethDmaLen(buf, reth);
      const end = psnAdd(psn, Math.max(1, Math.ceil(size / qp.mtu)));
      if ((qp.attr.accessFlags & Access.REMOTE_READ) === 0 || psnDiff(end, qp.ePsn) > 0) return;
      if (size > 0 && !this.engine.keys.remote(rkey, qp, va, size, Access.REMOTE_READ)) return;
      if (mayRepeat(qp)) this.queueRead(qp, psn, va, rkey, size, true);
    } else if (flags & (OPF_FLUSH | OPF_ATOMIC_WRITE)) {
      if (mayRepeat(qp)) this.queueRead(qp, psn, 0, 0, 0, true);
    } else if (flags & OPF_ATOMIC) {
      for (const kept of qp.atomics) {
        if (kept.kind === ResourceKind.ATOMIC && kept.psn === psn) {
          if (mayRepeat(qp)) this.queueAtomic(qp, kept, true);
          return;
        }
      }
    } else if (!pendingNak(qp)) {
      // C9-105: a duplicate SEND or WRITE is acknowledged with the newest PSN.
      this.answer(qp, AETH_ACK_UNLIMITED, psnAdd(qp.ePsn, -1));
    }
  }

  /** Eight bytes written as one (IBTA annex A19.3); the right is that of a WRITE, as Linux rxe has it. */
  private takeAtomicWrite(qp: SoftQp, { buf, body }: Inbound, reth: number, payload: number, psn: number): number {
    if ((qp.attr.accessFlags & Access.REMOTE_WRITE) === 0) return NAK_INV_REQ;
    const va = rethVa(buf, reth);
    const { keys, placement } = this.engine;
    placement.settle();
    if (qp.respStopped) return REFUSED;
    if (rethDmaLen(buf, reth) !== 8 || va % 8 !== 0) return NAK_INV_REQ;
    if (!keys.remote(rethRkey(buf, reth), qp, va, 8, Access.REMOTE_WRITE)) return NAK_REM_ACC;
    if (tooMany(qp)) return NAK_INV_REQ;
    if (!keys.memory!.write(keys.offset, body, payload, 8)) return NAK_REM_OP;
    return this.placed(qp, psn);
  }

  /** What was written before has been placed already, for all who look at this memory: only the rights are to be checked. */
  private takeFlush(qp: SoftQp, buf: Buffer, feth: number, reth: number, psn: number): number {
    this.engine.placement.settle();
    if (qp.respStopped) return REFUSED;
    const type = fethPlt(buf, feth);
    const needed =
      (type & FlushType.GLOBAL ? Access.FLUSH_GLOBAL : 0) | (type & FlushType.PERSISTENT ? Access.FLUSH_PERSISTENT : 0);
    if (needed === 0 || (qp.attr.accessFlags & needed) !== needed) return NAK_INV_REQ;
    const rkey = rethRkey(buf, reth);
    const whole = fethSel(buf, feth) === FlushLevel.MR;
    const target = this.engine.keys.find(rkey);
    if (target === undefined || (target.access & needed) !== needed) return NAK_REM_ACC;
    const va = whole ? addressOf(target) : rethVa(buf, reth);
    const length = whole ? target.length : rethDmaLen(buf, reth);
    if (!this.engine.keys.remote(rkey, qp, va, length, needed)) return NAK_REM_ACC;
    if (tooMany(qp)) return NAK_INV_REQ;
    return this.placed(qp, psn);
  }

  /** FLUSH and ATOMIC WRITE are answered by a READ response without data. */
  private placed(qp: SoftQp, psn: number): number {
    qp.msn = (qp.msn + 1) & 0xffffff;
    qp.ePsn = psnAdd(psn, 1);
    this.queueRead(qp, psn, 0, 0, 0, false);
    return OK;
  }

  /** The receive work request in hand ends in error, and with it the connection. */
  private recvError(qp: SoftQp, status: number, syndrome: number): number {
    this.engine.completeRecv(qp, status, WcOpcode.RECV, 0, 0, 0, true, 0);
    this.blamed = true;
    return syndrome;
  }

  /** What was held back of packets from `psn` on could not be written (see {@link Placement}). */
  unplaced(qp: SoftQp, psn: number): void {
    if (qp.respStopped || qp.attr.state === QpState.ERR) return;
    this.blamed = false;
    if (qp.inMessage === InMessage.SEND) this.recvError(qp, WcStatus.LOC_PROT_ERR, NAK_REM_OP);
    this.refuse(qp, NAK_REM_OP, psn);
    this.blamed = false;
  }

  /** Answers a packet that was not taken in. */
  private refuse(qp: SoftQp, syndrome: number, psn: number): void {
    if (syndrome === AETH_RNR_NAK) {
      // IBTA 9.7.5.2.8: not ready; what comes until the requester starts again here is dropped.
      this.engine.counters.send_rnr_err++;
      qp.nakSent = true;
      this.answer(qp, AETH_RNR_NAK | qp.attr.minRnrTimer, psn);
      return;
    }
    qp.respStopped = true;
    this.answer(qp, syndrome, psn);
    // C9-222.1.1: an event tells it, unless a receive work request has been completed in error.
    if (this.blamed) return;
    const event = syndrome === NAK_REM_ACC ? EventType.QP_ACCESS_ERR : EventType.QP_REQ_ERR;
    qp.context.device.raise(event, qp);
  }

  private answer(qp: SoftQp, syndrome: number, psn: number): void {
    qp.ackSyndrome = syndrome;
    qp.ackPsn = psn;
    this.engine.queueAck(qp);
  }
}

/** A NAK that waits to be sent says all that an acknowledgement of what came before it would. */
const pendingNak = (qp: SoftQp): boolean => qp.ackSyndrome >= 0 && qp.ackSyndrome !== AETH_ACK_UNLIMITED;

/** Requests that are answered by more than an acknowledgement. */
const ANSWERED = OPF_READ_REQ | OPF_ATOMIC | OPF_ATOMIC_WRITE | OPF_FLUSH;

const addressOf = (target: MemoryRegion | MemoryWindow): number => ('iova' in target ? target.iova : target.addr);
