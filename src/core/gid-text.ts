// GIDs as text and as IP addresses: a GID is 16 bytes that look like an IPv6 address, and RoCE v2 makes it one (annex A17).
import { addressBytes, addressText } from '../os/addresses.ts';

/** The 16 bytes of a GID given as IPv6 text in any form, or as an IPv4 address, which is mapped. */
export function gidFromText(text: string): Uint8Array {
  return gidFromAddress(addressBytes(text));
}

/** As IPv6 text (RFC 5952): `::ffff:127.0.0.1`, `fe80::1`. */
export function gidToText(gid: Uint8Array): string {
  return addressText(gid);
}

/** All 32 digits, as sysfs shows it: `0000:0000:0000:0000:0000:ffff:7f00:0001`. */
export function gidToSysfs(gid: Uint8Array): string {
  return Buffer.from(gid.buffer, gid.byteOffset, 16).toString('hex').match(/.{4}/g)!.join(':');
}

/** The GID of an IP address: IPv6 as it is, IPv4 as `::ffff:a.b.c.d`. */
export function gidFromAddress(address: Uint8Array): Uint8Array {
  if (address.length === 16) return Uint8Array.from(address);
  if (address.length !== 4) throw new TypeError(`an address has 4 or 16 bytes, not ${address.length}`);
  const gid = new Uint8Array(16);
  gid[10] = 0xff;
  gid[11] = 0xff;
  gid.set(address, 12);
  return gid;
}

/** Is it an IPv4 address in a GID's clothes? */
export function isIpv4Gid(gid: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (gid[i] !== 0) return false;
  return gid[10] === 0xff && gid[11] === 0xff;
}

/** The address that a packet to this GID is sent to: 4 or 16 bytes, a view of the GID's own. */
export function addressOfGid(gid: Uint8Array): Uint8Array {
  return isIpv4Gid(gid) ? gid.subarray(12, 16) : gid;
}

/** ff00::/8, or an IPv4 group mapped: what rdma_cm joins on RoCE v2 for 224.0.0.0/4. */
export function isMulticastGid(gid: Uint8Array): boolean {
  return gid[0] === 0xff || (isIpv4Gid(gid) && (gid[12] & 0xf0) === 0xe0);
}

/** fe80::/10. */
export function isLinkLocalGid(gid: Uint8Array): boolean {
  return gid[0] === 0xfe && (gid[1] & 0xc0) === 0x80;
}

export function isZeroGid(gid: Uint8Array): boolean {
  for (let i = 0; i < 16; i++) if (gid[i] !== 0) return false;
  return true;
}

export function gidsEqual(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < 16; i++) if (a[i] !== b[i]) return false;
  return true;
}
