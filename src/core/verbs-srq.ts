// Shared receive queues.
import { checkInteger, checkLive, fail } from './check.ts';
import { DeviceCap, SrqAttrMask } from './constants.ts';
import type { ProtectionDomain } from './pd.ts';
import type { SharedReceiveQueue, SrqAttr } from './srq.ts';
import { adopt, checkRoom, destroyObject } from './tracking.ts';

/** `ibv_create_srq`; the limit starts at 0 whatever `attr` says. It may be bigger than asked for: see its `attr`. */
export function createSrq(pd: ProtectionDomain, attr: SrqAttr): SharedReceiveQueue {
  const verb = 'createSrq';
  checkLive(verb, 'pd', 'pd', pd);
  const { device } = pd.context;
  device.require(verb);
  checkRoom(verb, pd.context, 'srq');
  checkInteger(verb, 'maxWr', attr.maxWr, 1, device.attributes.maxSrqWr);
  checkInteger(verb, 'maxSge', attr.maxSge, 0, device.attributes.maxSrqSge);
  return adopt(device.ops.createSrq(pd, { maxWr: attr.maxWr, maxSge: attr.maxSge, limit: 0 }));
}

/** `ibv_modify_srq`; `mask` has bits of `SrqAttrMask`. */
export function modifySrq(srq: SharedReceiveQueue, attr: Partial<SrqAttr>, mask: number): void {
  const verb = 'modifySrq';
  checkLive(verb, 'srq', 'srq', srq);
  const { device } = srq.context;
  device.require(verb);
  checkInteger(verb, 'mask', mask, 1, SrqAttrMask.MAX_WR | SrqAttrMask.LIMIT);
  if (mask & SrqAttrMask.MAX_WR) {
    if ((device.attributes.deviceCapFlags & DeviceCap.SRQ_RESIZE) === 0) {
      fail(verb, 'EOPNOTSUPP', `device ${device.name} does not claim SRQ_RESIZE`);
    }
    checkInteger(verb, 'maxWr', attr.maxWr ?? Number.NaN, 1, device.attributes.maxSrqWr);
  }
  if (mask & SrqAttrMask.LIMIT) {
    const most = mask & SrqAttrMask.MAX_WR ? attr.maxWr! : srq.attr.maxWr;
    checkInteger(verb, 'limit', attr.limit ?? Number.NaN, 0, most);
  }
  device.ops.modifySrq(srq, attr, mask);
}

/** `ibv_query_srq` */
export function querySrq(srq: SharedReceiveQueue): SrqAttr {
  checkLive('querySrq', 'srq', 'srq', srq);
  return srq.context.device.ops.querySrq(srq);
}

/** `ibv_destroy_srq`: EBUSY while QPs use it. Returns the asynchronous events it has had. */
export function destroySrq(srq: SharedReceiveQueue): number {
  checkLive('destroySrq', 'srq', 'srq', srq);
  destroyObject('destroySrq', srq, () => srq.context.device.ops.destroySrq(srq));
  return srq.asyncReported;
}
