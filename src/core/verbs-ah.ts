// Address handles.
import type { AddressHandle, AddressVector } from './ah.ts';
import { addressVectorFault, copyAv } from './av.ts';
import { checkLive, fail } from './check.ts';
import type { ProtectionDomain } from './pd.ts';
import { adopt, checkRoom, destroyObject } from './tracking.ts';

/** `ibv_create_ah` */
export function createAh(pd: ProtectionDomain, av: AddressVector): AddressHandle {
  checkLive('createAh', 'pd', 'pd', pd);
  pd.context.device.require('createAh');
  checkRoom('createAh', pd.context, 'ah');
  const fault = addressVectorFault(pd.context.device, av);
  if (fault !== null) fail('createAh', 'EINVAL', fault);
  return adopt(pd.context.device.ops.createAh(pd, copyAv(av)));
}

/** `rdma_query_ah` */
export function queryAh(ah: AddressHandle): AddressVector {
  checkLive('queryAh', 'ah', 'ah', ah);
  return ah.context.device.ops.queryAh(ah);
}

/** `ibv_destroy_ah` */
export function destroyAh(ah: AddressHandle): void {
  checkLive('destroyAh', 'ah', 'ah', ah);
  destroyObject('destroyAh', ah, () => ah.context.device.ops.destroyAh(ah));
}
