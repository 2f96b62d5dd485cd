// InfiniBand's global route header (IBTA vol. 1, 8.3): 40 bytes laid out as an IPv6 header, whose next header is IBA's own.
import { getU16, putU16, putU32 } from './bytes.ts';

export const GRH_LEN = 40;
/** IBA transport (8.3.5). */
export const GRH_NEXT_IBA = 0x1b;
const VERSION = 6;

/** `length`: bytes from the end of the GRH to the end of the ICRC. */
export function writeGrh(
  buf: Uint8Array,
  off: number,
  trafficClass: number,
  flowLabel: number,
  length: number,
  hopLimit: number,
  sgid: Uint8Array,
  dgid: Uint8Array,
): void {
  putU32(buf, off, ((VERSION << 28) | (trafficClass << 20) | flowLabel) >>> 0);
  putU16(buf, off + 4, length);
  buf[off + 6] = GRH_NEXT_IBA;
  buf[off + 7] = hopLimit;
  buf.set(sgid, off + 8);
  buf.set(dgid, off + 24);
}

export const grhVersion = (buf: Uint8Array, off: number): number => buf[off] >> 4;
export const grhLength = (buf: Uint8Array, off: number): number => getU16(buf, off + 4);
export const grhNext = (buf: Uint8Array, off: number): number => buf[off + 6];

export function setGrhLength(buf: Uint8Array, off: number, length: number): void {
  putU16(buf, off + 4, length);
}

/** What routers may change, as the ICRC sees it: traffic class, flow label and hop limit are all ones (7.8.1). */
export function maskGrh(buf: Uint8Array, off: number): void {
  buf[off] |= 0x0f;
  buf[off + 1] = 0xff;
  buf[off + 2] = 0xff;
  buf[off + 3] = 0xff;
  buf[off + 7] = 0xff;
}
