// InfiniBand's local route header (IBTA vol. 1, 7.7): 8 bytes before every packet on a link.
import { getU16, putU16 } from './bytes.ts';

export const LRH_LEN = 8;
/** What follows: a GRH, or a BTH at once. */
export const LNH_GLOBAL = 3;
export const LNH_LOCAL = 2;
const LENGTH_MASK = 0x7ff;

/** `length` is that of the packet from here to the end of the ICRC, in bytes. */
export function writeLrh(
  buf: Uint8Array,
  off: number,
  vl: number,
  sl: number,
  lnh: number,
  dlid: number,
  slid: number,
  length: number,
): void {
  buf[off] = vl << 4;
  buf[off + 1] = (sl << 4) | lnh;
  putU16(buf, off + 2, dlid);
  putU16(buf, off + 4, (length >> 2) & LENGTH_MASK);
  putU16(buf, off + 6, slid);
}

export const lrhVl = (buf: Uint8Array, off: number): number => buf[off] >> 4;
/** Link version: 0. */
export const lrhLver = (buf: Uint8Array, off: number): number => buf[off] & 15;
export const lrhSl = (buf: Uint8Array, off: number): number => buf[off + 1] >> 4;
export const lrhLnh = (buf: Uint8Array, off: number): number => buf[off + 1] & 3;
export const lrhDlid = (buf: Uint8Array, off: number): number => getU16(buf, off + 2);
/** In bytes. */
export const lrhLength = (buf: Uint8Array, off: number): number => (getU16(buf, off + 4) & LENGTH_MASK) << 2;
export const lrhSlid = (buf: Uint8Array, off: number): number => getU16(buf, off + 6);

export function setLrhLength(buf: Uint8Array, off: number, length: number): void {
  putU16(buf, off + 4, (length >> 2) & LENGTH_MASK);
}

/** What switches may change, as the ICRC sees it: all ones (7.8.1). */
export function maskLrh(buf: Uint8Array, off: number): void {
  buf[off] |= 0xf0;
}
