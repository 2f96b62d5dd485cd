// Moves message bytes between packets and the memory that work requests name, checking each range when it is touched: a
// region may be deregistered, or a program may scribble over its ring, while a message is on its way.
import { WcStatus } from '../core/constants.ts';
import type { KeyTable } from '../core/keys.ts';
import type { Placement } from './placement.ts';
import type { SoftQp } from './qp.ts';
import type { ReadAhead } from './read-ahead.ts';
import { type CurrentRecv, RecvSge } from './recv-queue.ts';
import { SEND_WQE_SIZE, SQ, u64 } from './wqe.ts';

/** Copies `length` bytes at `offset` of a send WQE's message to a packet. A `WcStatus`. */
export function gather(
  keys: KeyTable,
  ahead: ReadAhead,
  qp: SoftQp,
  index: number,
  inline: boolean,
  offset: number,
  length: number,
  dst: Buffer,
  at: number,
): number {
  const ring = qp.sq;
  if (inline) {
    const from = ring.at(index) + SEND_WQE_SIZE + offset;
    ring.bytes.copy(dst, at, from, from + length);
    return WcStatus.SUCCESS;
  }
  return walk(keys, ahead, qp, index, offset, length, dst, at);
}

/** Copies `length` bytes from a packet to `offset` of the memory a READ or ATOMIC request named. A `WcStatus`. */
export function scatterResponse(
  keys: KeyTable,
  qp: SoftQp,
  index: number,
  offset: number,
  length: number,
  src: Buffer,
  at: number,
): number {
  return walk(keys, null, qp, index, offset, length, src, at);
}

/** `ahead`: reads memory, by that; null: writes it. */
function walk(
  keys: KeyTable,
  ahead: ReadAhead | null,
  qp: SoftQp,
  index: number,
  offset: number,
  length: number,
  packet: Buffer,
  at: number,
): number {
  const u32 = qp.sq.u32;
  let w = qp.sq.word(index);
  const n = Math.min(u32[w + SQ.NUM_SGE], qp.cap.maxSendSge);
  w += SQ.SGE;
  let skip = offset;
  let left = length;
  for (let i = 0; i < n && left > 0; i++, w += 4) {
    const size = u32[w + 2];
    if (skip >= size) {
      skip -= size;
      continue;
    }
    const part = Math.min(size - skip, left);
    if (!keys.local(u32[w + 3], qp.pd, u64(u32, w) + skip, part, ahead === null)) return WcStatus.LOC_PROT_ERR;
    const memory = keys.memory!;
    const done =
      ahead === null
        ? memory.write(keys.offset, packet, at, part)
        : ahead.read(memory, keys.offset, size - skip, packet, at, part);
    if (!done) return WcStatus.LOC_PROT_ERR;
    at += part;
    left -= part;
    skip = 0;
  }
  return left === 0 ? WcStatus.SUCCESS : WcStatus.LOC_LEN_ERR;
}

/** Copies `length` bytes from a packet to `offset` of the buffers of a receive work request. A `WcStatus`. */
export function scatterRecv(
  keys: KeyTable,
  placement: Placement,
  qp: SoftQp,
  recv: CurrentRecv,
  offset: number,
  length: number,
  src: Buffer,
  at: number,
): number {
  let skip = offset;
  let left = length;
  const { sge } = recv;
  for (let i = 0; i < recv.numSge * RecvSge.WORDS && left > 0; i += RecvSge.WORDS) {
    const size = sge[i + RecvSge.LENGTH];
    if (skip >= size) {
      skip -= size;
      continue;
    }
    const part = Math.min(size - skip, left);
    if (!keys.local(sge[i + RecvSge.LKEY], qp.pd, sge[i + RecvSge.ADDR] + skip, part, true))
      return WcStatus.LOC_PROT_ERR;
    if (!placement.write(qp, keys.memory!, keys.offset, src, at, part)) return WcStatus.LOC_PROT_ERR;
    at += part;
    left -= part;
    skip = 0;
  }
  return left === 0 ? WcStatus.SUCCESS : WcStatus.LOC_LEN_ERR;
}
