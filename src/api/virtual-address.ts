// Addresses of memory, as verbs programs expect them: where the bytes really are, so that a region and a view of the same
// memory speak of the same address.
import { addressOf } from '../os/memory.ts';

export interface AddressSource {
  of(buffer: Buffer): number;
}

/** The real address of a buffer. */
export const realAddresses: AddressSource = { of: (buffer) => (buffer.length === 0 ? 8 : addressOf(buffer)) };
