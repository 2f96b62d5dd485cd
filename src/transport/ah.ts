import { AddressHandle, type AddressVector } from '../core/ah.ts';
import type { ProtectionDomain } from '../core/pd.ts';
import type { Path } from './port.ts';

/** An address handle with its way to the address, and the number by which WQEs name it. */
export class SoftAh extends AddressHandle {
  readonly path: Path;
  readonly number: number;

  constructor(pd: ProtectionDomain, av: AddressVector, path: Path, number: number) {
    super(pd, av);
    this.path = path;
    this.number = number;
  }
}
