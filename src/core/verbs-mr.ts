// Memory regions.
import { checkInteger, checkLive, fail } from './check.ts';
import { Access, ReregFlags } from './constants.ts';
import type { Context } from './context.ts';
import { type Memory, sliceMemory } from './memory.ts';
import { MemoryRegion } from './mr.ts';
import type { ProtectionDomain } from './pd.ts';
import { adopt, checkIdle, checkRoom, destroyObject } from './tracking.ts';

export interface RegMrOptions {
  /** What addresses count from; 0 unless told, and always with `Access.ZERO_BASED`. */
  readonly iova?: number;
  /** Bytes; from `offset` to the end of the memory unless told. */
  readonly length?: number;
  /** Bits of `Access`. */
  readonly access: number;
  /** Where in the memory the region begins. */
  readonly offset?: number;
}

interface Extent {
  readonly memory: Memory;
  readonly iova: number;
  readonly length: number;
}

const PAGE = 4096;
// IB_ACCESS_SUPPORTED, and the optional range (bits 20 to 29) that a device is free to ignore.
const SUPPORTED = 0x3ff;
const OPTIONAL = 0x3ff00000;

/** `ibv_reg_mr`, `ibv_reg_mr_iova`: the region has one key, for local and for remote use. */
export function regMr(pd: ProtectionDomain, memory: Memory, options: RegMrOptions): MemoryRegion {
  const verb = 'regMr';
  checkLive(verb, 'pd', 'pd', pd);
  const { context } = pd;
  const { device } = context;
  checkRoom(verb, context, 'mr');
  checkAccess(verb, options.access);
  const extent = checkExtent(verb, context, memory, options);
  checkBytes(verb, context, extent.length);
  const mr = new MemoryRegion(pd, extent.memory, extent.iova, extent.length, options.access);
  mr.lkey = device.keys.insert(mr);
  mr.rkey = mr.lkey;
  try {
    device.ops.regMr(mr);
  } catch (error) {
    device.keys.remove(mr.lkey);
    throw error;
  }
  context.registeredBytes += mr.length;
  return adopt(mr);
}

/** `ibv_dereg_mr`: EBUSY while memory windows are bound to it (IBTA 10.6.7.2.6). */
export function deregMr(mr: MemoryRegion): void {
  checkLive('deregMr', 'mr', 'mr', mr);
  destroyObject('deregMr', mr, () => mr.context.device.ops.deregMr(mr));
}

export interface ReregMrChange {
  /** With `ReregFlags.PD`. */
  readonly pd?: ProtectionDomain;
  /** With `ReregFlags.TRANSLATION`. */
  readonly memory?: Memory;
  readonly iova?: number;
  readonly length?: number;
  readonly offset?: number;
  /** With `ReregFlags.ACCESS`. */
  readonly access?: number;
}

/** `ibv_rereg_mr`: changes what `flags` (bits of `ReregFlags`) names. On an error the region is as it was. */
export function reregMr(mr: MemoryRegion, flags: number, change: ReregMrChange): void {
  const verb = 'reregMr';
  checkLive(verb, 'mr', 'mr', mr);
  const { context } = mr;
  context.device.require(verb);
  checkInteger(verb, 'flags', flags, 1, 7);
  // Its windows' rights were checked against the region as it is.
  checkIdle(verb, mr);
  const accessNow = flags & ReregFlags.ACCESS ? change.access : mr.access;
  if (accessNow === undefined) fail(verb, 'EINVAL', 'flags name ACCESS, and no access is given');
  checkAccess(verb, accessNow);
  const pd = flags & ReregFlags.PD ? change.pd : mr.pd;
  if (pd === undefined) fail(verb, 'EINVAL', 'flags name PD, and no pd is given');
  checkLive(verb, 'pd', 'pd', pd, context);
  let extent: Extent = mr;
  if (flags & ReregFlags.TRANSLATION) {
    if (change.memory === undefined) fail(verb, 'EINVAL', 'flags name TRANSLATION, and no memory is given');
    extent = checkExtent(verb, context, change.memory, { ...change, access: accessNow });
    checkBytes(verb, context, extent.length - mr.length);
  }
  context.device.ops.reregMr(mr, {
    ...(flags & ReregFlags.PD ? { pd } : {}),
    ...(flags & ReregFlags.TRANSLATION ? { memory: extent.memory } : {}),
    ...(flags & ReregFlags.ACCESS ? { access: accessNow } : {}),
  });
  context.registeredBytes += extent.length - mr.length;
  mr.pd.users--;
  pd.users++;
  mr.pd = pd;
  mr.memory = extent.memory;
  mr.iova = extent.iova;
  mr.length = extent.length;
  mr.access = accessNow;
}

/** As Linux `ib_check_mr_access`. */
function checkAccess(verb: string, access: number): void {
  checkInteger(verb, 'access', access, 0, 0x3fffffff);
  const unknown = access & ~(SUPPORTED | OPTIONAL);
  if (unknown !== 0) fail(verb, 'EINVAL', `access has bits 0x${unknown.toString(16)}, which mean nothing`);
  // ibv_reg_mr(3): whoever may write from afar writes locally, at the responder.
  if ((access & (Access.REMOTE_WRITE | Access.REMOTE_ATOMIC)) !== 0 && (access & Access.LOCAL_WRITE) === 0) {
    fail(verb, 'EINVAL', 'access has REMOTE_WRITE or REMOTE_ATOMIC, which are allowed with LOCAL_WRITE only');
  }
  // As Linux rxe_mr_init_user has it for memory that is not a persistent memory device's.
  if ((access & Access.FLUSH_PERSISTENT) !== 0)
    fail(verb, 'EINVAL', 'access has FLUSH_PERSISTENT, and no memory here is persistent');
  if ((access & Access.ON_DEMAND) !== 0) fail(verb, 'EOPNOTSUPP', 'access has ON_DEMAND, which no device here claims');
}

function checkExtent(verb: string, context: Context, memory: Memory, options: RegMrOptions): Extent {
  if (typeof memory?.read !== 'function' || typeof memory.write !== 'function') {
    fail(verb, 'EINVAL', 'memory is not a Memory: LocalMemory makes one of an ArrayBuffer or a view');
  }
  const offset = options.offset ?? 0;
  checkInteger(verb, 'offset', offset, 0, memory.byteLength);
  const length = options.length ?? memory.byteLength - offset;
  const most = Math.min(memory.byteLength - offset, context.device.attributes.maxMrSize);
  checkInteger(verb, 'length', length, 0, most);
  const iova = options.iova ?? 0;
  checkInteger(verb, 'iova', iova, 0, Number.MAX_SAFE_INTEGER - length);
  // Linux ib_umem_get pins whole pages and refuses to pin none: 0 bytes are in no page only where a page begins.
  if (length === 0 && iova % PAGE === 0) fail(verb, 'EINVAL', 'length is 0: there is nothing to register');
  const zeroBased = (options.access & Access.ZERO_BASED) !== 0;
  return { memory: sliceMemory(memory, offset, length), iova: zeroBased ? 0 : iova, length };
}

function checkBytes(verb: string, context: Context, more: number): void {
  const { owner, limits, registeredBytes } = context;
  if (registeredBytes + more > limits.registeredBytes) {
    fail(
      verb,
      'ENOMEM',
      `${owner} has ${registeredBytes} bytes registered; ${more} more exceed its ${limits.registeredBytes}`,
    );
  }
}
