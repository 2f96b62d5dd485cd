// Datagram Extended Transport Header, IBTA vol. 1 section 9.3.
import { getU24, getU32, hex, putU24, putU32 } from './bytes.ts';
import { checkRoom, type WireError } from './error.ts';

export const DETH_LEN = 8;

const QKEY = 0;
const RESV = 4;
const SQPN = 5;

export function dethQkey(buf: Uint8Array, off: number): number {
  return getU32(buf, off + QKEY);
}

/** The sender's queue pair number. */
export function dethSqpn(buf: Uint8Array, off: number): number {
  return getU24(buf, off + SQPN);
}

export function writeDeth(buf: Uint8Array, off: number, qkey: number, sqpn: number): void {
  putU32(buf, off + QKEY, qkey);
  buf[off + RESV] = 0;
  putU24(buf, off + SQPN, sqpn);
}

export interface Deth {
  qkey: number;
  resv8: number;
  sqpn: number;
}

export function parseDeth(buf: Uint8Array, off: number, end: number = buf.length): Deth | WireError {
  return (
    checkRoom(off, end, DETH_LEN, 'DETH') ?? {
      qkey: dethQkey(buf, off),
      resv8: buf[off + RESV],
      sqpn: dethSqpn(buf, off),
    }
  );
}

export function emitDeth(buf: Uint8Array, off: number, deth: Deth): void {
  writeDeth(buf, off, deth.qkey, deth.sqpn);
  buf[off + RESV] = deth.resv8;
}

export function formatDeth(deth: Deth): string {
  return `QKey ${hex(deth.qkey)} SrcQPN ${hex(deth.sqpn)}`;
}
