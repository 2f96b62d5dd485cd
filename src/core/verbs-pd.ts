// Protection domains.
import { checkLive } from './check.ts';
import type { Context } from './context.ts';
import { ProtectionDomain } from './pd.ts';
import { adopt, checkRoom, destroyObject } from './tracking.ts';

/** `ibv_alloc_pd` */
export function allocPd(context: Context): ProtectionDomain {
  checkRoom('allocPd', context, 'pd');
  const pd = new ProtectionDomain(context);
  context.device.ops.allocPd(pd);
  return adopt(pd);
}

/** `ibv_dealloc_pd`: EBUSY while anything is in it. */
export function deallocPd(pd: ProtectionDomain): void {
  checkLive('deallocPd', 'pd', 'pd', pd);
  destroyObject('deallocPd', pd, () => pd.context.device.ops.deallocPd(pd));
}
