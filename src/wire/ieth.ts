// Invalidate Extended Transport Header, IBTA vol. 1 section 9.3: the R_Key that SEND with Invalidate invalidates.
import { getU32, hex, putU32 } from './bytes.ts';
import { checkRoom, type WireError } from './error.ts';

export const IETH_LEN = 4;

export function iethRkey(buf: Uint8Array, off: number): number {
  return getU32(buf, off);
}

export function writeIeth(buf: Uint8Array, off: number, rkey: number): void {
  putU32(buf, off, rkey);
}

export interface Ieth {
  rkey: number;
}

export function parseIeth(buf: Uint8Array, off: number, end: number = buf.length): Ieth | WireError {
  return checkRoom(off, end, IETH_LEN, 'IETH') ?? { rkey: iethRkey(buf, off) };
}

export function emitIeth(buf: Uint8Array, off: number, ieth: Ieth): void {
  writeIeth(buf, off, ieth.rkey);
}

export function formatIeth(ieth: Ieth): string {
  return `Invalidate RKey ${hex(ieth.rkey)}`;
}
