// Flush Extended Transport Header, IBTA vol. 1 release 1.5 (Memory Placement Extensions, annex A19): stands before the RETH.
import { getU32, putU32 } from './bytes.ts';
import { checkRoom, type WireError } from './error.ts';

export const FETH_LEN = 4;

/** Placement type bits. */
export const FLUSH_GLOBAL = 1;
export const FLUSH_PERSISTENT = 2;
/** Selectivity levels. */
export const FLUSH_RANGE = 0;
export const FLUSH_MR = 1;

const PLT_MASK = 0x0f;
const SEL_MASK = 0x30;
const SEL_SHIFT = 4;

/** Placement type: FLUSH_GLOBAL and/or FLUSH_PERSISTENT. */
export function fethPlt(buf: Uint8Array, off: number): number {
  return buf[off + 3] & PLT_MASK;
}

/** Selectivity level: FLUSH_RANGE or FLUSH_MR. */
export function fethSel(buf: Uint8Array, off: number): number {
  return (buf[off + 3] & SEL_MASK) >> SEL_SHIFT;
}

export function writeFeth(buf: Uint8Array, off: number, plt: number, sel: number): void {
  putU32(buf, off, (plt & PLT_MASK) | ((sel << SEL_SHIFT) & SEL_MASK));
}

export interface Feth {
  plt: number;
  sel: number;
  resv26: number;
}

export function parseFeth(buf: Uint8Array, off: number, end: number = buf.length): Feth | WireError {
  return (
    checkRoom(off, end, FETH_LEN, 'FETH') ?? {
      plt: fethPlt(buf, off),
      sel: fethSel(buf, off),
      resv26: getU32(buf, off) >>> 6,
    }
  );
}

export function emitFeth(buf: Uint8Array, off: number, feth: Feth): void {
  putU32(buf, off, (feth.resv26 << 6) | (feth.sel << SEL_SHIFT) | feth.plt);
}

export function formatFeth(feth: Feth): string {
  const to = [feth.plt & FLUSH_GLOBAL ? 'global' : '', feth.plt & FLUSH_PERSISTENT ? 'persistent' : ''];
  return `Flush ${to.filter(Boolean).join('+') || 'nothing'} ${feth.sel === FLUSH_MR ? 'MR' : 'range'}`;
}
