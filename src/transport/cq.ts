// A completion queue: a ring of `struct ib_uverbs_wc`, in 64-byte elements as rxe has them.
import { EventType, WcStatus } from '../core/constants.ts';
import type { Context } from '../core/context.ts';
import { Armed, type CompletionChannel, CompletionQueue } from '../core/cq.ts';
import type { WorkCompletion } from '../core/work.ts';
import { Ring } from './ring.ts';
import { swap32, u64 } from './wqe.ts';

const CQE_SIZE = 64;
/**
 * It has room for so many at least, which fit in a page with the ring's header. Programs that ask for one entry (perftest's
 * ib_send_lat -e) leave a completion unpolled now and then, and devices that round up forgive them.
 */
const LEAST = 31;

/** Words of `struct ib_uverbs_wc`. */
const WC = {
  WR_ID: 0,
  STATUS: 2,
  OPCODE: 3,
  VENDOR_ERR: 4,
  BYTE_LEN: 5,
  EX: 6,
  QPN: 7,
  SRC_QP: 8,
  FLAGS: 9,
  PKEY_SLID: 10,
  SL_PORT: 11,
} as const;
const WITH_IMM = 2;
/** port_num 1 in its byte. */
const PORT_1 = 1 << 16;

export class SoftCq extends CompletionQueue {
  ring: Ring;
  /** Called with the QPs of a queue that has overrun. */
  private readonly onOverrun: (cq: SoftCq) => void;
  /** Of the datagram whose completion is next; else 0. */
  slid = 0;
  sl = 0;

  constructor(context: Context, cqe: number, channel: CompletionChannel | null, onOverrun: (cq: SoftCq) => void) {
    super(context, cqe, channel);
    this.ring = new Ring(CQE_SIZE, Math.max(cqe, LEAST), context.queueMemory, 'producer');
    this.cqe = this.ring.mask;
    this.onOverrun = onOverrun;
  }

  /** Adds a completion; `ex` as it stands in memory (big-endian immediate, or a key). `wrId` comes in two halves. */
  complete(
    wrIdLo: number,
    wrIdHi: number,
    status: number,
    opcode: number,
    byteLen: number,
    ex: number,
    qpn: number,
    srcQp: number,
    flags: number,
    solicited: boolean,
  ): void {
    const ring = this.ring;
    const index = ring.producer;
    const next = ring.next(index);
    if (this.failed) return;
    if (next === ring.consumer) {
      // C11-37: an overrun is a CQ error; what would have been reported is lost, so its QPs cannot go on (C9-218).
      this.failed = true;
      this.context.device.raise(EventType.CQ_ERR, this);
      this.onOverrun(this);
      return;
    }
    const u32 = ring.u32;
    const w = ring.word(index);
    u32[w + WC.WR_ID] = wrIdLo;
    u32[w + WC.WR_ID + 1] = wrIdHi;
    u32[w + WC.STATUS] = status;
    u32[w + WC.OPCODE] = opcode;
    u32[w + WC.VENDOR_ERR] = 0;
    u32[w + WC.BYTE_LEN] = byteLen;
    u32[w + WC.EX] = ex;
    u32[w + WC.QPN] = qpn;
    u32[w + WC.SRC_QP] = srcQp;
    u32[w + WC.FLAGS] = flags;
    u32[w + WC.PKEY_SLID] = this.slid << 16;
    u32[w + WC.SL_PORT] = PORT_1 | this.sl;
    ring.producer = next;
    // ibv_req_notify_cq(3): a completion in error counts as solicited.
    if (this.armed !== Armed.NONE && (this.armed === Armed.NEXT || solicited || status !== WcStatus.SUCCESS)) {
      this.armed = Armed.NONE;
      this.notify();
    }
  }

  private notify(): void {
    if (this.channel === null) return;
    this.eventsReported++;
    this.channel.onEvent?.(this);
  }

  /** Takes at most `max` completions out, into the objects of `into` (made as needed); how many. */
  poll(max: number, into: WorkCompletion[], make: () => WorkCompletion): number {
    const ring = this.ring;
    const u32 = ring.u32;
    const end = ring.producer;
    let index = ring.consumer;
    let n = 0;
    while (n < max && index !== end) {
      let wc = into[n];
      if (wc === undefined) {
        wc = make();
        into[n] = wc;
      }
      const w = ring.word(index);
      wc.wrId = u64(u32, w + WC.WR_ID);
      wc.status = u32[w + WC.STATUS];
      wc.opcode = u32[w + WC.OPCODE];
      wc.vendorErr = u32[w + WC.VENDOR_ERR];
      wc.byteLen = u32[w + WC.BYTE_LEN];
      wc.flags = u32[w + WC.FLAGS];
      wc.imm = wc.flags & WITH_IMM ? swap32(u32[w + WC.EX]) : u32[w + WC.EX];
      wc.qpn = u32[w + WC.QPN];
      wc.srcQp = u32[w + WC.SRC_QP];
      wc.pkeyIndex = u32[w + WC.PKEY_SLID] & 0xffff;
      wc.slid = u32[w + WC.PKEY_SLID] >>> 16;
      wc.sl = u32[w + WC.SL_PORT] & 0xff;
      index = ring.next(index);
      n++;
    }
    if (n > 0) ring.consumer = index;
    return n;
  }

  get isEmpty(): boolean {
    return this.ring.producer === this.ring.consumer;
  }
}
