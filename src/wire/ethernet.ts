// Ethernet II frame header, with any VLAN tags skipped when parsing.
import { getU16, putU16 } from './bytes.ts';
import { checkRoom, type WireError } from './error.ts';

export const ETHERNET_LEN = 14;

export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_IPV6 = 0x86dd;
const ETHERTYPE_VLAN = 0x8100;
const ETHERTYPE_QINQ = 0x88a8;

export interface Ethernet {
  dst: Uint8Array;
  src: Uint8Array;
  /** Tag control information of each VLAN tag, outermost first. */
  vlans: number[];
  etherType: number;
  /** Bytes of header with its tags. */
  length: number;
}

export function parseEthernet(buf: Uint8Array, off: number, end: number = buf.length): Ethernet | WireError {
  const short = checkRoom(off, end, ETHERNET_LEN, 'Ethernet header');
  if (short) return short;
  const vlans: number[] = [];
  let at = off + 12;
  let type = getU16(buf, at);
  while (type === ETHERTYPE_VLAN || type === ETHERTYPE_QINQ) {
    const cut = checkRoom(at, end, 6, 'VLAN tag');
    if (cut) return cut;
    vlans.push(getU16(buf, at + 2));
    at += 4;
    type = getU16(buf, at);
  }
  return {
    dst: buf.subarray(off, off + 6),
    src: buf.subarray(off + 6, off + 12),
    vlans,
    etherType: type,
    length: at + 2 - off,
  };
}

/** Writes an untagged header. */
export function writeEthernet(buf: Uint8Array, off: number, dst: Uint8Array, src: Uint8Array, etherType: number): void {
  for (let i = 0; i < 6; i++) {
    buf[off + i] = dst[i];
    buf[off + 6 + i] = src[i];
  }
  putU16(buf, off + 12, etherType);
}

export function formatMac(mac: Uint8Array): string {
  return Array.from(mac, (b) => b.toString(16).padStart(2, '0')).join(':');
}
