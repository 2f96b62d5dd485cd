// Work queue elements in a ring: `struct rxe_send_wqe` and `struct rxe_recv_wqe` of <rdma/rdma_user_rxe.h>.
// Offsets are in 32-bit words from the element's start.
import { SendFlags, WrOpcode } from '../core/constants.ts';
import { VerbsError } from '../core/errors.ts';
import type { RecvWr, SendWr, Sge } from '../core/work.ts';
import type { SoftAh } from './ah.ts';
import type { Ring } from './ring.ts';

export const SEND_WQE_SIZE = 208;
export const RECV_WQE_SIZE = 40;
export const SGE_SIZE = 16;

/** Words of the send WQE. */
export const SQ = {
  WR_ID: 0,
  OPCODE: 3,
  FLAGS: 4,
  /** Immediate data, big-endian in memory, or the key to invalidate. */
  EX: 5,
  REMOTE_ADDR: 6,
  RDMA_RKEY: 8,
  COMPARE_ADD: 8,
  SWAP: 10,
  ATOMIC_RKEY: 12,
  REMOTE_QPN: 6,
  REMOTE_QKEY: 7,
  AH_NUM: 9,
  FLUSH_RKEY: 9,
  /** Placement type and selectivity level, a byte each. */
  FLUSH_TYPE_LEVEL: 10,
  MW_ADDR: 6,
  MW_LENGTH: 8,
  MW_MR_LKEY: 10,
  MW_RKEY: 11,
  MW_NEW_RKEY: 12,
  MW_ACCESS: 13,
  LENGTH: 46,
  NUM_SGE: 49,
  SGE: 52,
} as const;

/** Words of the receive WQE. */
export const RQ = { WR_ID: 0, LENGTH: 4, NUM_SGE: 7, SGE: 10 } as const;

const TWO32 = 2 ** 32;

/** A 64-bit little-endian number at word `w`; exact up to 2^53, and beyond that no address that a check would pass. */
export const u64 = (u32: Uint32Array, w: number): number => u32[w] + u32[w + 1] * TWO32;

export function putU64(u32: Uint32Array, w: number, value: number): void {
  u32[w] = value;
  u32[w + 1] = Math.floor(value / TWO32);
}

/** An address of a peer, which may be one of its kernel's and then comes as a bigint. */
function putAddress(u32: Uint32Array, w: number, value: number | bigint): void {
  if (typeof value === 'number') {
    putU64(u32, w, value);
    return;
  }
  u32[w] = Number(value & 0xffffffffn);
  u32[w + 1] = Number(value >> 32n);
}

export const swap32 = (v: number): number =>
  ((v << 24) | ((v & 0xff00) << 8) | ((v >>> 8) & 0xff00) | (v >>> 24)) >>> 0;

function putSges(u32: Uint32Array, at: number, sge: readonly Sge[], n: number): number {
  let length = 0;
  for (let i = 0, w = at; i < n; i++, w += 4) {
    const s = sge[i];
    putU64(u32, w, s.addr);
    u32[w + 2] = s.length;
    u32[w + 3] = s.lkey;
    length += s.length;
  }
  return length;
}

/** Writes a send work request to the ring's next element and hands it over. ENOMEM when the queue is full. */
export function produceSend(ring: Ring, wr: SendWr, maxSge: number, maxInline: number): void {
  const index = ring.producer;
  const next = ring.next(index);
  if (next === ring.consumer) {
    throw new VerbsError(
      'postSend',
      'ENOMEM',
      `the send queue is full (${ring.mask}); poll its CQ, or ask for more maxSendWr`,
    );
  }
  ring.wake();
  const u32 = ring.u32;
  const w = ring.word(index);
  putU64(u32, w + SQ.WR_ID, wr.wrId);
  u32[w + SQ.OPCODE] = wr.opcode;
  u32[w + SQ.FLAGS] = wr.flags;
  switch (wr.opcode) {
    case WrOpcode.SEND_WITH_IMM:
    case WrOpcode.RDMA_WRITE_WITH_IMM:
      u32[w + SQ.EX] = swap32(wr.imm);
      break;
    case WrOpcode.SEND_WITH_INV:
    case WrOpcode.LOCAL_INV:
      u32[w + SQ.EX] = wr.imm;
      break;
  }
  switch (wr.opcode) {
    case WrOpcode.RDMA_WRITE:
    case WrOpcode.RDMA_WRITE_WITH_IMM:
    case WrOpcode.RDMA_READ:
    case WrOpcode.ATOMIC_WRITE:
      putAddress(u32, w + SQ.REMOTE_ADDR, wr.remoteAddr);
      u32[w + SQ.RDMA_RKEY] = wr.rkey;
      break;
    case WrOpcode.ATOMIC_CMP_AND_SWP:
    case WrOpcode.ATOMIC_FETCH_AND_ADD:
      putAddress(u32, w + SQ.REMOTE_ADDR, wr.remoteAddr);
      u32[w + SQ.COMPARE_ADD] = Number(wr.compareAdd & 0xffffffffn);
      u32[w + SQ.COMPARE_ADD + 1] = Number((wr.compareAdd >> 32n) & 0xffffffffn);
      u32[w + SQ.SWAP] = Number(wr.swap & 0xffffffffn);
      u32[w + SQ.SWAP + 1] = Number((wr.swap >> 32n) & 0xffffffffn);
      u32[w + SQ.ATOMIC_RKEY] = wr.rkey;
      break;
    case WrOpcode.FLUSH:
      putAddress(u32, w + SQ.REMOTE_ADDR, wr.remoteAddr);
      u32[w + SQ.FLUSH_RKEY] = wr.rkey;
      u32[w + SQ.FLUSH_TYPE_LEVEL] = wr.flushType | (wr.flushLevel << 8);
      break;
    case WrOpcode.BIND_MW:
      putU64(u32, w + SQ.MW_ADDR, wr.bindAddr);
      putU64(u32, w + SQ.MW_LENGTH, wr.bindLength);
      u32[w + SQ.MW_MR_LKEY] = wr.bindMr?.lkey ?? 0;
      u32[w + SQ.MW_RKEY] = wr.mw?.rkey ?? 0;
      u32[w + SQ.MW_NEW_RKEY] = wr.bindRkey;
      u32[w + SQ.MW_ACCESS] = wr.bindAccess;
      break;
    default:
      if (wr.ah !== null) {
        u32[w + SQ.REMOTE_QPN] = wr.remoteQpn;
        u32[w + SQ.REMOTE_QKEY] = wr.remoteQkey;
        u32[w + SQ.AH_NUM] = (wr.ah as SoftAh).number;
      }
  }
  if (wr.opcode === WrOpcode.FLUSH) {
    u32[w + SQ.LENGTH] = wr.flushLength;
    u32[w + SQ.NUM_SGE] = 0;
  } else if (wr.opcode === WrOpcode.ATOMIC_WRITE) {
    // The eight bytes stand in the element itself.
    u32[w + SQ.SGE] = Number(wr.swap & 0xffffffffn);
    u32[w + SQ.SGE + 1] = Number((wr.swap >> 32n) & 0xffffffffn);
    u32[w + SQ.LENGTH] = 8;
    u32[w + SQ.NUM_SGE] = 0;
  } else if (wr.flags & SendFlags.INLINE) {
    const data = wr.inline;
    const length = data === null ? 0 : data.length;
    if (length > maxInline) {
      throw new VerbsError('postSend', 'ENOMEM', `${length} bytes inline, the QP takes ${maxInline} (maxInlineData)`);
    }
    if (data !== null) ring.bytes.set(data, ring.at(index) + SEND_WQE_SIZE);
    u32[w + SQ.LENGTH] = length;
    u32[w + SQ.NUM_SGE] = 0;
  } else {
    if (wr.numSge > maxSge) {
      throw new VerbsError('postSend', 'EINVAL', `${wr.numSge} SGEs, the QP takes ${maxSge} (maxSendSge)`);
    }
    u32[w + SQ.LENGTH] = putSges(u32, w + SQ.SGE, wr.sge, wr.numSge);
    u32[w + SQ.NUM_SGE] = wr.numSge;
  }
  ring.producer = next;
}

/** Writes a receive work request to the ring's next element and hands it over. ENOMEM when the queue is full. */
export function produceRecv(ring: Ring, wr: RecvWr, maxSge: number): void {
  const index = ring.producer;
  const next = ring.next(index);
  if (next === ring.consumer) {
    throw new VerbsError('postRecv', 'ENOMEM', `the receive queue is full (${ring.mask}); ask for more maxRecvWr`);
  }
  if (wr.numSge > maxSge) {
    throw new VerbsError('postRecv', 'EINVAL', `${wr.numSge} SGEs, the queue takes ${maxSge} (maxRecvSge)`);
  }
  ring.wake();
  const u32 = ring.u32;
  const w = ring.word(index);
  putU64(u32, w + RQ.WR_ID, wr.wrId);
  u32[w + RQ.LENGTH] = putSges(u32, w + RQ.SGE, wr.sge, wr.numSge);
  u32[w + RQ.NUM_SGE] = wr.numSge;
  ring.producer = next;
}
