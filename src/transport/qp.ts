// The state of a software queue pair, as plain fields: requester, completer and responder work on it.
import { type QpInit, QueuePair } from '../core/qp.ts';
import { BTH_MIG } from '../wire/bth.ts';
import { rethDmaLen, rethRkey, rethVa } from '../wire/reth.ts';
import type { SoftCq } from './cq.ts';
import type { Pace } from './pace.ts';
import type { Path } from './port.ts';
import { CurrentRecv, recvRing, type SoftSrq } from './recv-queue.ts';
import { Ring } from './ring.ts';
import type { PeerWindow } from './window.ts';
import { SEND_WQE_SIZE, SGE_SIZE } from './wqe.ts';

/** What the requester knows of a send queue element, apart from the ring, which its poster can write at any time. */
export const Slot = { STATE_OP: 0, LENGTH: 1, FIRST: 2, LAST: 3, WORDS: 4 } as const;
export const SlotState = {
  /** Not looked at yet. */
  FRESH: 0,
  /** It has its PSNs; packets may be on their way. */
  STARTED: 1,
  /** A local operation that has been carried out. */
  DONE: 2,
  /** It failed here, before or while it was sent; the status is beside it. */
  FAILED: 3,
  /** A local operation whose turn has not come: a fence is before it. */
  OPEN: 4,
} as const;

/** What the requester knows of a READ or ATOMIC request: its last PSN, what of the window it takes, when it was asked for. */
export const Read = { END: 0, COST: 1, AT: 2, WORDS: 3 } as const;

/** Which kind of message the responder is in the middle of. */
export const InMessage = { NONE: 0, SEND: 1, WRITE: 2 } as const;

/** A READ that is being answered, or an ATOMIC whose answer is kept for duplicates (IBTA 9.7.6: responder resources). */
export class Resource {
  /** One of {@link ResourceKind} */
  kind = 0;
  /** It answers a duplicate. */
  repeated = false;
  psn = 0;
  va = 0;
  rkey = 0;
  length = 0;
  offset = 0;
  msn = 0;
  origHi = 0;
  origLo = 0;
}
export const ResourceKind = { NONE: 0, READ: 1, ATOMIC: 2 } as const;

/**
 * What fields begin with that will hold fractions, or more than 31 bits. To V8 a plain 0 is a small integer: with the first
 * queue pair that got another number, all that there are would have to change their layout.
 */
const ZERO = -0;

const NO_SLOTS = new Uint32Array(0);
const NO_READS = new Float64Array(0);

export class SoftQp extends QueuePair {
  readonly sq: Ring;
  readonly rq: Ring | null;
  readonly scq: SoftCq;
  readonly rcq: SoftCq;
  readonly softSrq: SoftSrq | null;
  /** Way to the connected peer; null before RTR and for UD. */
  path: Path | null = null;
  /** Path MTU in bytes. */
  mtu = 1024;
  timeoutUs = ZERO;
  /** The MigReq bit of its packets: set in the state MIGRATED (IBTA 17.2.8). Whoever receives it does not look (Linux rxe). */
  mig: number = BTH_MIG;

  // Scheduling
  queued = false;
  ackQueued = false;
  waitsForWindow = false;
  /** When something must be done without a packet coming in; Infinity: never. */
  deadline = Number.POSITIVE_INFINITY;
  /** Until then it sends nothing that has a pace; 0: it does not wait. */
  paceUntil = ZERO;
  heapIndex = -1;
  heapAt = ZERO;

  // Congestion
  /** Made when the peer has notified of congestion for the first time. */
  pace: Pace | null = null;
  /** When this end notified its peer last, and whether it is about to. */
  notifiedAt = Number.NEGATIVE_INFINITY;
  notificationDue = false;

  // Requester
  /** {@link Slot} words for each element of the send ring. */
  slots: Uint32Array = NO_SLOTS;
  /** Next element to send from (goes back for a retransmission), and the first one never looked at. */
  sqNext = 0;
  sqFresh = 0;
  /** Bytes of element sqNext already sent. */
  cursor = 0;
  /** PSN for the next new message; oldest PSN not acknowledged; PSN after the highest ever sent. */
  sqPsn = 0;
  una = 0;
  sndMax = 0;
  /** PSN to be sent next: behind sndMax while retransmitting. */
  nextPsn = 0;
  /** What of the peer's window, and of our own for READ responses, is in use. */
  inflight = 0;
  readInflight = 0;
  packetsSinceAckReq = 0;
  /** {@link Read} words for each READ and ATOMIC request without its (last) answer, in a ring, oldest first. */
  reads: Float64Array = NO_READS;
  /** How many there may be, and the oldest. */
  readsRoom = 0;
  readsHead = 0;
  /** How many there are, and how many of them are asked for: after going back the others are yet to be asked for again. */
  readsAsked = 0;
  readsOut = 0;
  ackDeadline = Number.POSITIVE_INFINITY;
  rnrUntil = ZERO;
  retryLeft = 0;
  rnrLeft = 0;
  /** It has gone back and nothing has been acknowledged since: further gaps are the same loss. */
  goneBack = false;
  /** A packet whose acknowledgement is timed, and when it was sent; -1: none. */
  timedPsn = -1;
  timedAt = ZERO;
  /** The last one timed took long: the peer has enough to do. */
  slow = false;
  /** The window that this loss has cut. */
  cutWindow: PeerWindow | null = null;
  /** Receive work requests that the peer has announced beyond what it has acknowledged; -1: it announces no limit (credits.ts). */
  credits = -1;
  /** Messages begun and not completed that take a receive work request of the peer. */
  sendsOut = 0;

  // Responder
  ePsn = 0;
  msn = 0;
  inMessage: number = InMessage.NONE;
  /** A NAK for ePsn has been sent: no other until that packet comes (Linux rxe check_psn). */
  nakSent = false;
  /** A NAK that ends the connection waits to be sent; nothing more is taken in. */
  respStopped = false;
  ackSyndrome = -1;
  ackPsn = 0;
  writeVa = ZERO;
  writeRkey = 0;
  writeLeft = 0;
  writeTotal = 0;
  readonly recv: CurrentRecv;
  recvOffset = 0;
  established = false;
  /** The last ATOMICs carried out, for their duplicates; used round and round. */
  atomics: Resource[] = [];
  atomicsNext = 0;
  /** READs and ATOMICs still to be answered, oldest first. */
  readonly jobs: Resource[] = [];

  constructor(init: QpInit, maxSendSge: number) {
    super(init);
    const cap = init.cap;
    // There is as much room for inline data as for the elements (Linux rxe_qp_init_req); rdma_xclient counts on it.
    cap.maxInlineData = Math.max(maxSendSge * SGE_SIZE, cap.maxInlineData);
    this.sq = new Ring(
      SEND_WQE_SIZE + Math.max(cap.maxInlineData, SGE_SIZE),
      cap.maxSendWr,
      this.context.queueMemory,
      'consumer',
      true,
    );
    cap.maxSendWr = this.sq.mask;
    this.softSrq = init.srq as SoftSrq | null;
    this.rq = init.srq === null ? recvRing(cap.maxRecvWr, cap.maxRecvSge, this.context.queueMemory) : null;
    if (this.rq !== null) cap.maxRecvWr = this.rq.mask;
    this.scq = init.sendCq as SoftCq;
    this.rcq = init.recvCq as SoftCq;
    this.recv = new CurrentRecv(Math.max(1, init.srq === null ? cap.maxRecvSge : init.srq.attr.maxSge));
  }

  /** A WRITE begins: its RETH, at `reth`, says where it goes and how long it is. */
  beginWrite(buf: Buffer, reth: number): void {
    this.writeVa = rethVa(buf, reth);
    this.writeRkey = rethRkey(buf, reth);
    this.writeTotal = rethDmaLen(buf, reth);
    this.writeLeft = this.writeTotal;
  }

  // Most of many queue pairs are idle: what only a busy one needs is made when it is needed.

  needSlots(): void {
    if (this.slots.length === 0) this.slots = new Uint32Array((this.sq.mask + 1) * Slot.WORDS);
  }

  needReads(): void {
    if (this.reads.length === 0) this.reads = new Float64Array(this.readsRoom * Read.WORDS);
  }

  /** Makes room for `max` outstanding READs and atomics, and for those there are. */
  resizeReads(max: number): void {
    const { reads, readsRoom } = this;
    this.reads = NO_READS;
    this.readsRoom = Math.max(max, this.readsAsked);
    if (this.readsAsked > 0) this.needReads();
    for (let i = 0; i < this.readsAsked; i++) {
      const from = ((this.readsHead + i) % readsRoom) * Read.WORDS;
      this.reads.set(reads.subarray(from, from + Read.WORDS), i * Read.WORDS);
    }
    this.readsHead = 0;
  }
}
