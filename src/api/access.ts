import { Access, type AccessName } from '../core/constants.ts';
import { VerbsError } from '../core/errors.ts';

/** Rights by name: `['LOCAL_WRITE', 'REMOTE_READ']`, or as bits of `Access`. */
export type AccessRights = readonly AccessName[] | number;

export function accessBits(verb: string, rights: AccessRights): number {
  if (typeof rights === 'number') return rights;
  let bits = 0;
  for (const name of rights) {
    const bit = Access[name];
    if (bit === undefined) {
      throw new VerbsError(verb, 'EINVAL', `access "${name}" is unknown; there are ${Object.keys(Access).join(', ')}`);
    }
    bits |= bit;
  }
  return bits;
}
