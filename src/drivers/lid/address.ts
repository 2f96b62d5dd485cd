// LIDs and GIDs of a fabric that lies in an IP network: a subnet is a network of 16 bits of host part, and a host's LID is
// that part of its address. What a subnet manager would assign and switches would look up follows from the addresses.
import { VerbsError } from '../../core/errors.ts';
import type { LinkAddress } from '../../link/link.ts';

/** IBTA 4.1.1: unicast LIDs; multicast LIDs; what comes after is the permissive LID. */
const LAST_UNICAST = 0xbfff;
const FIRST_MULTICAST = 0xc000;
const LAST_MULTICAST = 0xfffe;

export const isMulticastLid = (lid: number): boolean => lid >= FIRST_MULTICAST && lid <= LAST_MULTICAST;

/** The LID in an address; EINVAL where it is none. */
export function lidOf(address: LinkAddress): number {
  const { bytes, text } = address;
  const lid = (bytes[bytes.length - 2] << 8) | bytes[bytes.length - 1];
  if (lid >= 1 && lid <= LAST_UNICAST) return lid;
  throw new VerbsError(
    'registerDevice',
    'EINVAL',
    `${text}: its last 16 bits are ${lid}; LIDs are 1 to ${LAST_UNICAST}`,
  );
}

/** The address behind a LID, in the subnet of `own`; of a multicast LID, the group that stands for it. */
export function addressOfLid(own: LinkAddress, lid: number): Uint8Array {
  const v4 = own.family === 4;
  const bytes = Uint8Array.from(own.bytes);
  if (isMulticastLid(lid)) {
    // Organization-local scope (RFC 2365), and site-local scope, transient (RFC 4291).
    bytes.fill(0);
    bytes.set(v4 ? [239, 192] : [0xff, 0x15]);
  }
  bytes[bytes.length - 2] = lid >> 8;
  bytes[bytes.length - 1] = lid & 0xff;
  return bytes;
}

/** Is `address` the one behind a unicast LID, in the subnet of `own`? Allocates nothing: it is asked for every packet. */
export function isAtLid(own: LinkAddress, lid: number, address: Uint8Array): boolean {
  const { bytes } = own;
  const n = bytes.length;
  if (address.length !== n || address[n - 2] !== lid >> 8 || address[n - 1] !== (lid & 0xff)) return false;
  for (let i = 0; i < n - 2; i++) if (address[i] !== bytes[i]) return false;
  return !isMulticastLid(lid);
}

/** A port's GUID: locally administered, the OUI of the vendor's cards otherwise. */
export const guidOfLid = (lid: number): Uint8Array => Uint8Array.of(0x02, 0x11, 0x75, 0, 0, 0, lid >> 8, lid & 0xff);

/** The default subnet prefix (IBTA 4.1.1) and the GUID. */
export function gidOfLid(lid: number): Uint8Array {
  const gid = new Uint8Array(16);
  gid.set([0xfe, 0x80]);
  gid.set(guidOfLid(lid), 8);
  return gid;
}
