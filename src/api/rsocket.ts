// The protocol of rsocket(7) over one connected queue pair: bytes are written by RDMA into a buffer of the peer's, which says
// with credits where there is room again. What is here knows no streams: RdmaSocket makes one of it.
import { randomInt } from 'node:crypto';
import { Access, SendFlags, WcOpcode, WcStatus, WrOpcode } from '../core/constants.ts';
import type { MemoryRegion as CoreMr } from '../core/mr.ts';
import { deregMr, regMr } from '../core/verbs-mr.ts';
import {
  emitRsConn,
  RS_CONN_LEN,
  RS_FLAG_NET,
  RS_SGE_LEN,
  type RsConn,
  RsCtrl,
  RsOp,
  readTarget,
  rsData,
  rsMessage,
  rsOp,
  writeTarget,
} from '../wire/rsocket.ts';
import type { Completion } from './completion.ts';
import type { CompletionQueue } from './cq.ts';
import { WcError } from './errors.ts';
import { Inflow } from './inflow.ts';
import type { MemoryRegion } from './mr.ts';
import type { ProtectionDomain } from './pd.ts';
import type { QueuePair } from './qp.ts';
import { RecvWr, SendWr } from './requests.ts';

/** Entries of the list of buffers that the peer keeps up to date. */
const SGL_SIZE = 2;
/** Control messages under way at a time. */
const CTRL_MAX = 4;
/** Bytes of one write at most (`RS_MAX_TRANSFER`). */
const MAX_TRANSFER = 65536;
/** So that the peer goes on while what it has written is read, and its other half is granted. */
const BUFFER = 1 << 20;
const POLL = 64;
const WRITE_WITH_IMM = WrOpcode.RDMA_WRITE_WITH_IMM;
const { SIGNALED, INLINE } = SendFlags;

export interface RSocketOptions {
  /** Bytes received and not yet read, and bytes written and not yet acknowledged. Default 1 MiB each. */
  readonly receiveBuffer?: number;
  readonly sendBuffer?: number;
}

/** What a stream is told. */
export interface RSocketEvents {
  /** Bytes, of which this is the only copy; false: enough, until {@link RSocket.resume}. */
  data(bytes: Buffer): boolean;
  /** The peer writes no more. */
  end(): void;
  /** There may be room to write. */
  drain(): void;
  /** All that was written has arrived. */
  flushed(): void;
  error(error: Error): void;
  /** Nothing goes any more; nothing that was written is lost by it. */
  broken(error: Error): void;
}

/** Requests that may be outstanding each way, as rsockets have them. */
export const QUEUE = 384;

export class RSocket {
  readonly qp: QueuePair;
  private readonly cq: CompletionQueue;
  private readonly events: RSocketEvents;
  private readonly receive: CoreMr;
  private readonly inflow: Inflow;
  private readonly send: MemoryRegion;
  private readonly targets: MemoryRegion;
  private readonly completions: Completion[] = [];
  private readonly recvWr = new RecvWr();
  private readonly wr = new SendWr();
  // Sending
  private sendAt = 0;
  private sendFree: number;
  private sqFree: number;
  private seq = 0;
  /** The peer has room for messages up to this one (16 bits). */
  private seqLimit = 0;
  private target = 0;
  private ctrlOut = 0;
  private remoteSgl: RsConn['targetSgl'] = { addr: 0, key: 0, length: 0 };
  private remoteAt = 1;
  private remoteBigEndian = false;
  // Receiving
  private readonly arrived: number[] = [];
  private freeAt: number;
  /** Bytes of the buffer that have been read and not yet been granted again. */
  private readable: number;
  private readSeq = 0;
  private creditSeq: number;
  private readonly rqSize: number;
  private paused = false;
  private stopped = false;
  private wroteEnd = false;
  private endPending = false;
  private endSeen = false;
  /** Both have said that they are done, and the connection is gone. */
  private over = false;

  constructor(
    pd: ProtectionDomain,
    qp: QueuePair,
    cq: CompletionQueue,
    events: RSocketEvents,
    options: RSocketOptions,
  ) {
    this.qp = qp;
    this.cq = cq;
    this.events = events;
    const receive = evenSize(options.receiveBuffer ?? BUFFER);
    const send = evenSize(options.sendBuffer ?? BUFFER);
    this.inflow = new Inflow(receive);
    this.inflow.grant(receive / 2);
    const access = Access.LOCAL_WRITE | Access.REMOTE_WRITE;
    this.receive = regMr(pd.core, this.inflow, { access, iova: 4096 * randomInt(1, 2 ** 32) });
    this.send = pd.regMr(Buffer.alloc(send));
    this.targets = pd.regMr(Buffer.alloc(SGL_SIZE * RS_SGE_LEN), { access: ['LOCAL_WRITE', 'REMOTE_WRITE'] });
    this.sendFree = send;
    this.sqFree = QUEUE - CTRL_MAX;
    this.rqSize = QUEUE;
    this.freeAt = receive / 2;
    this.readable = receive / 2;
    this.creditSeq = this.rqSize / 2;
  }

  /** Receive requests, before the peer can send: data needs none of their own, immediate data does. */
  prepare(): void {
    for (let i = 0; i < this.rqSize; i++) this.qp.postRecv(this.recvWr);
  }

  /** What the peer has to know. */
  connData(): Buffer {
    const out = Buffer.alloc(RS_CONN_LEN);
    const { targets, receive } = this;
    emitRsConn(out, 0, {
      flags: 0,
      credits: this.rqSize,
      iomapSize: 0,
      targetSgl: { addr: targets.addr, key: targets.rkey, length: SGL_SIZE },
      dataBuf: { addr: receive.iova, key: receive.rkey, length: receive.length / 2 },
    });
    return out;
  }

  /** What the peer has told: from here on it can be written to. */
  connected(peer: RsConn): void {
    this.remoteSgl = peer.targetSgl;
    this.remoteBigEndian = (peer.flags & RS_FLAG_NET) !== 0;
    this.seqLimit = peer.credits;
    writeTarget(this.targets.buffer, 0, peer.dataBuf, false);
  }

  // Writing

  private get canSend(): boolean {
    return this.sqFree > 0 && this.sendFree > 0 && this.seq !== this.seqLimit;
  }

  /** Takes as many of the bytes as there is room for now; `drain` says when to try again. */
  write(bytes: Uint8Array): number {
    let taken = 0;
    while (taken < bytes.length && this.canSend && !this.stopped) {
      const entry = this.target * RS_SGE_LEN;
      const target = readTarget(this.targets.buffer, entry);
      if (target.length === 0) break;
      const toEnd = this.send.length - this.sendAt;
      const n = Math.min(bytes.length - taken, target.length, this.sendFree, toEnd, MAX_TRANSFER);
      this.send.buffer.set(bytes.subarray(taken, taken + n), this.sendAt);
      const left = { addr: target.addr + n, key: target.key, length: target.length - n };
      // Before the write is posted: the peer may put a new entry here as soon as it has it.
      writeTarget(this.targets.buffer, entry, left, false);
      if (left.length === 0) this.target = (this.target + 1) % SGL_SIZE;
      const sge = [{ addr: this.send.addr + this.sendAt, length: n, lkey: this.send.lkey }];
      this.sendAt = (this.sendAt + n) % this.send.length;
      this.sendFree -= n;
      this.sqFree--;
      this.seq = (this.seq + 1) & 0xffff;
      this.post(rsMessage(RsOp.DATA, n), sge, target.addr, target.key);
      taken += n;
    }
    return taken;
  }

  /** Nothing that was written is under way. */
  get idle(): boolean {
    return this.over || (this.sqFree === QUEUE - CTRL_MAX && this.ctrlOut === 0);
  }

  /** No more will be written; `both`: nor read. */
  shutdown(both: boolean): void {
    this.wroteEnd = true;
    this.control(rsMessage(RsOp.CTRL, both ? RsCtrl.DISCONNECT : RsCtrl.SHUTDOWN));
  }

  /** The last word before the connection is closed, unless it was said. */
  bye(): void {
    if (!this.wroteEnd && !this.stopped && this.qp.state === 'RTS') this.shutdown(true);
  }

  /** Finds out whether the peer is there: no answer is an error. */
  keepAlive(): void {
    if (this.ctrlOut === 0 && this.idle) this.control(rsMessage(RsOp.CTRL, RsCtrl.KEEPALIVE));
  }

  private control(message: number): void {
    if (this.stopped || this.over) return;
    this.ctrlOut++;
    this.post(message, [], 0, 0);
  }

  private post(message: number, sge: SendWr['sge'], remoteAddr: number, rkey: number): void {
    const { wr } = this;
    wr.opcode = WRITE_WITH_IMM;
    wr.flags = SIGNALED;
    wr.wrId = message;
    wr.inline = null;
    wr.sge = sge;
    wr.numSge = sge.length;
    wr.imm = message;
    wr.remoteAddr = remoteAddr;
    wr.rkey = rkey;
    this.qp.postSend(wr);
  }

  // Completions

  /** Completions wait: takes them all. */
  poll(): void {
    const { completions, cq } = this;
    let sent = false;
    for (;;) {
      if (cq.core.destroyed) return;
      const n = cq.takeReady(completions, POLL);
      for (let i = 0; i < n; i++) {
        const { raw } = completions[i];
        if (this.stopped) continue;
        if (raw.status !== WcStatus.SUCCESS) this.failed(completions[i]);
        else if (raw.opcode === WcOpcode.RECV_RDMA_WITH_IMM) this.message(raw.imm >>> 0);
        else if (raw.opcode === WcOpcode.RDMA_WRITE) {
          this.sent(raw.wrId);
          sent = true;
        }
      }
      if (n < POLL) break;
    }
    if (this.stopped) return;
    this.deliver();
    this.credit();
    if (sent || this.canSend) this.events.drain();
    if (this.idle) this.events.flushed();
  }

  /** Once both have said their last word, it matters not whether the last acknowledgement came. */
  private failed(completion: Completion): void {
    const { status, wrId } = completion.raw;
    if (this.wroteEnd && this.endSeen) this.over = true;
    else if (status === WcStatus.WR_FLUSH_ERR && (wrId === 0 || rsOp(wrId) !== RsOp.DATA)) {
      this.events.broken(new WcError(completion));
    } else this.fail(new WcError(completion));
  }

  private sent(message: number): void {
    if (rsOp(message) !== RsOp.DATA) this.ctrlOut--;
    else {
      this.sqFree++;
      this.sendFree += rsData(message);
    }
  }

  private message(message: number): void {
    this.qp.postRecv(this.recvWr);
    switch (rsOp(message)) {
      case RsOp.DATA:
        this.arrived.push(rsData(message));
        return;
      case RsOp.SGL:
        this.seqLimit = rsData(message) & 0xffff;
        return;
      case RsOp.CTRL:
        if (rsData(message) === RsCtrl.KEEPALIVE) return;
        this.endPending = true;
        this.endSeen = true;
        return;
      default:
      // IOMAP: offered by peers, asked for by none of ours.
    }
  }

  /** Hands over what has arrived, for as long as it is wanted. */
  private deliver(): void {
    while (this.arrived.length > 0 && !this.paused) {
      const n = this.arrived.shift()!;
      for (let left = n; left > 0; ) {
        const bytes = this.inflow.take(left);
        if (bytes === null) return this.fail(new RangeError(`the peer claims to have written ${n} bytes`));
        left -= bytes.length;
        if (!this.events.data(bytes)) this.paused = true;
      }
      this.readSeq = (this.readSeq + 1) & 0xffff;
      this.readable += n;
    }
    if (this.arrived.length > 0 || !this.endPending) return;
    this.endPending = false;
    this.events.end();
  }

  /** More is wanted. */
  resume(): void {
    if (!this.paused || this.stopped) return;
    this.paused = false;
    this.deliver();
    this.credit();
  }

  /** Tells the peer what has become free: half of the buffer, or requests for half of the queue (rs_give_credits). */
  private credit(): void {
    if (this.stopped || this.over || this.ctrlOut >= CTRL_MAX) return;
    const half = this.receive.length / 2;
    const room = this.readable >= half;
    const due = ((this.readSeq - this.creditSeq) << 16) >> 16 >= 0;
    if (!room && !due) return;
    this.creditSeq = (this.readSeq + this.rqSize / 2) & 0xffff;
    const message = rsMessage(RsOp.SGL, (this.readSeq + this.rqSize) & 0xffff);
    if (!room) return this.control(message);
    const sge = { addr: this.receive.iova + this.freeAt, key: this.receive.rkey, length: half };
    this.inflow.grant(half);
    this.readable -= half;
    this.freeAt = (this.freeAt + half) % this.receive.length;
    const bytes = Buffer.alloc(RS_SGE_LEN);
    writeTarget(bytes, 0, sge, this.remoteBigEndian);
    const { wr, remoteSgl } = this;
    wr.opcode = WRITE_WITH_IMM;
    wr.flags = SIGNALED | INLINE;
    wr.wrId = message;
    wr.inline = bytes;
    wr.sge = [];
    wr.numSge = 0;
    wr.imm = message;
    wr.remoteAddr = remoteSgl.addr + this.remoteAt * RS_SGE_LEN;
    wr.rkey = remoteSgl.key;
    this.remoteAt = (this.remoteAt + 1) % remoteSgl.length;
    this.ctrlOut++;
    this.qp.postSend(wr);
  }

  private fail(error: Error): void {
    if (this.stopped) return;
    this.stopped = true;
    this.events.error(error);
  }

  /** Nobody is to be told anything more. */
  close(): void {
    this.stopped = true;
    for (const mr of [this.send, this.targets]) mr.close();
    if (!this.receive.destroyed) deregMr(this.receive);
  }
}

function evenSize(bytes: number): number {
  return Math.max(4096, Math.ceil(bytes / 4096) * 4096);
}
