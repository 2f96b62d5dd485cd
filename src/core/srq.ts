import { VerbsObject } from './object.ts';
import type { ProtectionDomain } from './pd.ts';

/** `struct ibv_srq_attr` */
export interface SrqAttr {
  maxWr: number;
  maxSge: number;
  /** An SRQ_LIMIT_REACHED event is raised, once, when fewer work requests than this are left; 0: none. */
  limit: number;
}

/** A shared receive queue. A driver's own class adds the ring. */
export abstract class SharedReceiveQueue extends VerbsObject {
  readonly kind = 'srq';
  readonly pd: ProtectionDomain;
  readonly attr: SrqAttr;

  constructor(pd: ProtectionDomain, attr: SrqAttr) {
    super(pd.context);
    this.pd = pd;
    this.attr = attr;
  }
}
