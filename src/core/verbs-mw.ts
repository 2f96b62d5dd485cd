// Memory windows.
import { checkInteger, checkLive, fail } from './check.ts';
import { Access, MwType, QpState, QpType, SendFlags, WrOpcode } from './constants.ts';
import { type MemoryRegion, MemoryWindow } from './mr.ts';
import type { ProtectionDomain } from './pd.ts';
import type { QueuePair } from './qp.ts';
import { adopt, checkRoom, destroyObject } from './tracking.ts';
import { SendWr } from './work.ts';

/** `ibv_alloc_mw`. `type` is an `MwType` that the device claims. */
export function allocMw(pd: ProtectionDomain, type: number): MemoryWindow {
  const verb = 'allocMw';
  checkLive(verb, 'pd', 'pd', pd);
  const { device } = pd.context;
  device.require(verb);
  if (type !== MwType.TYPE_1 && type !== MwType.TYPE_2) fail(verb, 'EINVAL', `type is ${type}; 1 and 2 are allowed`);
  if (!device.capabilities.has(type === MwType.TYPE_1 ? 'mw-type-1' : 'mw-type-2')) {
    fail(verb, 'EOPNOTSUPP', `device ${device.name} has no memory windows of type ${type}`);
  }
  checkRoom(verb, pd.context, 'mw');
  const mw = new MemoryWindow(pd, type);
  mw.rkey = device.keys.insert(mw);
  try {
    device.ops.allocMw(mw);
  } catch (error) {
    device.keys.remove(mw.rkey);
    throw error;
  }
  return adopt(mw);
}

/** `ibv_dealloc_mw`: a window that is bound is unbound with it. */
export function deallocMw(mw: MemoryWindow): void {
  checkLive('deallocMw', 'mw', 'mw', mw);
  destroyObject('deallocMw', mw, () => mw.context.device.ops.deallocMw(mw));
}

/** `struct ibv_mw_bind` */
export interface MwBind {
  readonly wrId?: number;
  /** Bits of `SendFlags`; a completion only with SIGNALED. */
  readonly flags?: number;
  /** The region, and which of its addresses: length 0 unbinds. */
  readonly mr: MemoryRegion;
  readonly addr: number;
  readonly length: number;
  /** Bits of `Access`. */
  readonly access: number;
}

const BINDABLE = Access.REMOTE_READ | Access.REMOTE_WRITE | Access.REMOTE_ATOMIC;

/**
 * `ibv_bind_mw`: binds a type 1 window. The bind is posted to the send queue, and takes effect there; a type 2 window is
 * bound by a work request that its consumer posts. Returns the key that the window will have.
 */
export function bindMw(qp: QueuePair, mw: MemoryWindow, bind: MwBind): number {
  const verb = 'bindMw';
  checkLive(verb, 'qp', 'qp', qp);
  checkLive(verb, 'mw', 'mw', mw, qp.context);
  checkLive(verb, 'mr', 'mr', bind.mr, qp.context);
  const { mr, addr, length, access } = bind;
  if (mw.type !== MwType.TYPE_1) fail(verb, 'EINVAL', `mw ${mw.handle} is of type 2, which a posted BIND_MW binds`);
  if (mw.pd !== qp.pd || mr.pd !== qp.pd) fail(verb, 'EPERM', 'mw, mr and qp are not of one protection domain');
  if (qp.type !== QpType.RC && qp.type !== QpType.UC) fail(verb, 'EINVAL', 'qp is neither RC nor UC');
  if (qp.state !== QpState.RTS && qp.state !== QpState.SQD && qp.state !== QpState.SQE && qp.state !== QpState.ERR) {
    fail(verb, 'EINVAL', 'qp is not yet in a state that takes send work requests');
  }
  checkInteger(verb, 'flags', bind.flags ?? 0, 0, SendFlags.FENCE | SendFlags.SIGNALED);
  checkInteger(verb, 'access', access, 0, BINDABLE);
  if (length !== 0) {
    if ((mr.access & Access.MW_BIND) === 0) fail(verb, 'EINVAL', `mr ${mr.handle} was registered without MW_BIND`);
    if ((access & (Access.REMOTE_WRITE | Access.REMOTE_ATOMIC)) !== 0 && (mr.access & Access.LOCAL_WRITE) === 0) {
      fail(verb, 'EINVAL', `access writes, and mr ${mr.handle} was registered without LOCAL_WRITE`);
    }
    checkInteger(verb, 'addr', addr, mr.iova, mr.iova + mr.length);
    checkInteger(verb, 'length', length, 0, mr.iova + mr.length - addr);
  }
  const wr = new SendWr();
  wr.wrId = bind.wrId ?? 0;
  wr.opcode = WrOpcode.BIND_MW;
  wr.flags = bind.flags ?? 0;
  wr.mw = mw;
  wr.rkey = mw.rkey;
  wr.bindMr = mr;
  wr.bindAddr = length === 0 ? 0 : addr;
  wr.bindLength = length;
  wr.bindAccess = access;
  wr.bindRkey = nextKey(mw.rkey);
  qp.context.device.ops.postSend(qp, wr);
  return wr.bindRkey;
}

/** The window's next key: its low 8 bits go up (`ibv_inc_rkey`). */
export function nextKey(rkey: number): number {
  return ((rkey & ~0xff) | ((rkey + 1) & 0xff)) >>> 0;
}
