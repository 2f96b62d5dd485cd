import { VerbsObject } from './object.ts';

/** A protection domain: what may be used together. */
export class ProtectionDomain extends VerbsObject {
  readonly kind = 'pd';
}
