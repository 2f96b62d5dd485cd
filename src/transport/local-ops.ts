// Work requests that are carried out where they are posted: binding a memory window, invalidating a key.
import { Access, MwType, WcStatus, WrOpcode } from '../core/constants.ts';
import { MemoryRegion, MemoryWindow } from '../core/mr.ts';
import type { Engine } from './engine.ts';
import type { SoftQp } from './qp.ts';
import { SQ, u64 } from './wqe.ts';

export function runLocal(engine: Engine, qp: SoftQp, index: number, op: number): number {
  const u32 = qp.sq.u32;
  const w = qp.sq.word(index);
  if (op === WrOpcode.LOCAL_INV)
    return invalidate(engine, qp, u32[w + SQ.EX]) ? WcStatus.SUCCESS : WcStatus.LOC_QP_OP_ERR;
  return bind(
    engine,
    qp,
    u32[w + SQ.MW_RKEY],
    u32[w + SQ.MW_NEW_RKEY],
    u32[w + SQ.MW_MR_LKEY],
    u64(u32, w + SQ.MW_ADDR),
    u64(u32, w + SQ.MW_LENGTH),
    u32[w + SQ.MW_ACCESS],
  );
}

/**
 * Takes the rights of a type 2 window away: for LOCAL_INV, and for a peer's SEND with Invalidate. A region of reg_user_mr
 * cannot be invalidated so (o10-37.2.13), nor a type 1 window (o10-37.2.26), nor one bound to another QP.
 */
export function invalidate(engine: Engine, qp: SoftQp, rkey: number): boolean {
  const mw = engine.keys.find(rkey);
  if (!(mw instanceof MemoryWindow) || mw.rkey !== rkey || mw.pd !== qp.pd) return false;
  if (mw.type !== MwType.TYPE_2 || mw.mr === null || mw.qp !== qp) return false;
  unbind(mw);
  return true;
}

export function unbind(mw: MemoryWindow): void {
  if (mw.mr !== null) mw.mr.users--;
  mw.mr = null;
  mw.qp = null;
  mw.length = 0;
  mw.access = 0;
}

function bind(
  engine: Engine,
  qp: SoftQp,
  rkey: number,
  newRkey: number,
  lkey: number,
  addr: number,
  length: number,
  access: number,
): number {
  const mw = engine.keys.find(rkey);
  // C10-72 (of type 2): the window and the queue pair are of one protection domain.
  if (!(mw instanceof MemoryWindow) || mw.rkey !== rkey || mw.pd !== qp.pd) return WcStatus.MW_BIND_ERR;
  // Only its low 8 bits are the consumer's to choose: ibv_inc_rkey(3).
  if ((newRkey ^ rkey) & ~0xff) return WcStatus.MW_BIND_ERR;
  // o10-37.2.30: a type 2 window is bound while it is free; after that it must be invalidated first.
  if (mw.type === MwType.TYPE_2 && mw.mr !== null) return WcStatus.MW_BIND_ERR;
  if (length === 0) {
    // A type 1 window bound with length 0 is unbound, ibv_alloc_mw(3); a type 2 window has invalidation (o10-37.2.40).
    if (mw.type === MwType.TYPE_2) return WcStatus.MW_BIND_ERR;
    unbind(mw);
    mw.rkey = newRkey;
    return WcStatus.SUCCESS;
  }
  const mr = engine.keys.find(lkey);
  if (!(mr instanceof MemoryRegion) || mr.lkey !== lkey || mr.pd !== qp.pd) return WcStatus.MW_BIND_ERR;
  // C10-73: the region must allow windows.
  if ((mr.access & Access.MW_BIND) === 0) return WcStatus.MW_BIND_ERR;
  // C10-74: a window that may be written needs a region that may be written locally.
  if (access & (Access.REMOTE_WRITE | Access.REMOTE_ATOMIC) && (mr.access & Access.LOCAL_WRITE) === 0) {
    return WcStatus.MW_BIND_ERR;
  }
  const zeroBased = (access & Access.ZERO_BASED) !== 0;
  // o10-36.2.2: a type 1 window is not zero-based.
  if (zeroBased && mw.type === MwType.TYPE_1) return WcStatus.MW_BIND_ERR;
  // C10-75: the window lies within the region.
  const offset = addr - mr.iova;
  if (!(offset >= 0 && offset + length <= mr.length)) return WcStatus.MW_BIND_ERR;
  if (mw.mr !== null) mw.mr.users--;
  mr.users++;
  mw.mr = mr;
  mw.qp = mw.type === MwType.TYPE_2 ? qp : null;
  mw.addr = zeroBased ? 0 : addr;
  mw.offset = offset;
  mw.length = length;
  mw.access = access;
  mw.rkey = newRkey;
  return WcStatus.SUCCESS;
}
