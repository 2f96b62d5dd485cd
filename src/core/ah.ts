import { VerbsObject } from './object.ts';
import type { ProtectionDomain } from './pd.ts';

/** `struct ibv_ah_attr` with its global route: RoCE always has one. */
export interface AddressVector {
  /** 16 bytes. */
  readonly dgid: Uint8Array;
  readonly sgidIndex: number;
  readonly trafficClass: number;
  readonly hopLimit: number;
  readonly flowLabel: number;
  readonly port: number;
  /** Service level and LID, for fabrics that have them. */
  readonly sl: number;
  readonly dlid: number;
}

/** An address handle. A driver's own class adds its way to the address. */
export abstract class AddressHandle extends VerbsObject {
  readonly kind = 'ah';
  readonly pd: ProtectionDomain;
  readonly av: AddressVector;

  constructor(pd: ProtectionDomain, av: AddressVector) {
    super(pd.context);
    this.pd = pd;
    this.av = av;
  }
}
