// Omni-Path's 16-byte link header (L2 type 16B), as Linux's hfi1 driver lays it out: four little-endian words. LIDs have 24
// bits, and the P_Key stands in the header, where switches can see it.
import { getI32LE, putU32LE } from './bytes.ts';

export const OPA16B_LEN = 16;
/** L4 type: a GRH follows (IB_GLOBAL), or a BTH at once (IB_LOCAL). */
export const OPA_L4_LOCAL = 0x09;
export const OPA_L4_GLOBAL = 0x0a;

const L2_16B = 2;
const LAST = 0x80000000;
const FECN = 1 << 28;
const LID_LOW = 0xfffff;

const word = (buf: Uint8Array, off: number, n: number): number => getI32LE(buf, off + 4 * n);

/** `length` is that of the packet from here to its end, in bytes; the header counts flits of 8. */
export function writeOpa16b(
  buf: Uint8Array,
  off: number,
  sc: number,
  l4: number,
  dlid: number,
  slid: number,
  pkey: number,
  length: number,
  entropy: number,
): void {
  putU32LE(buf, off, (slid & LID_LOW) | (flits(length) << 20));
  putU32LE(buf, off + 4, (dlid & LID_LOW) | (sc << 20) | (L2_16B << 29) | LAST);
  putU32LE(buf, off + 8, l4 | ((slid >>> 20) << 8) | ((dlid >>> 20) << 12) | (pkey << 16));
  putU32LE(buf, off + 12, entropy & 0xffff);
}

export const flits = (length: number): number => ((length + 7) >> 3) & 0x7ff;

export const opaL2 = (buf: Uint8Array, off: number): number => (word(buf, off, 1) >>> 29) & 3;
export const opaSc = (buf: Uint8Array, off: number): number => (word(buf, off, 1) >>> 20) & 0x1f;
export const opaFecn = (buf: Uint8Array, off: number): boolean => (word(buf, off, 1) & FECN) !== 0;
export const opaL4 = (buf: Uint8Array, off: number): number => word(buf, off, 2) & 0xff;
export const opaPkey = (buf: Uint8Array, off: number): number => word(buf, off, 2) >>> 16;
export const opaFlits = (buf: Uint8Array, off: number): number => (word(buf, off, 0) >>> 20) & 0x7ff;
export const opaSlid = (buf: Uint8Array, off: number): number =>
  (word(buf, off, 0) & LID_LOW) | (((word(buf, off, 2) >>> 8) & 15) << 20);
export const opaDlid = (buf: Uint8Array, off: number): number =>
  (word(buf, off, 1) & LID_LOW) | (((word(buf, off, 2) >>> 12) & 15) << 20);

/** Is it one, of the 16B kind? */
export const isOpa16b = (buf: Uint8Array, off: number): boolean => opaL2(buf, off) === L2_16B;

export function setOpaLength(buf: Uint8Array, off: number, length: number): void {
  putU32LE(buf, off, (word(buf, off, 0) & ~(0x7ff << 20)) | (flits(length) << 20));
}

export function setOpaPkey(buf: Uint8Array, off: number, pkey: number): void {
  putU32LE(buf, off + 8, (word(buf, off, 2) & 0xffff) | (pkey << 16));
}

/** What switches may change, as the check sum sees it: BECN, FECN, service channel, entropy and age are all ones. */
export function maskOpa16b(buf: Uint8Array, off: number): void {
  buf[off + 3] |= 0x80;
  putU32LE(buf, off + 4, word(buf, off, 1) | FECN | (0x1f << 20));
  putU32LE(buf, off + 12, -1);
}
