// RDMA Extended Transport Header, IBTA vol. 1 section 9.3.
import { getU32, getU64, getU64Big, hex, putU32, putU64, putU64Big } from './bytes.ts';
import { checkRoom, type WireError } from './error.ts';

export const RETH_LEN = 16;

const VA = 0;
const RKEY = 8;
const DMALEN = 12;

/** Virtual address as a double: exact below 2^53. */
export function rethVa(buf: Uint8Array, off: number): number {
  return getU64(buf, off + VA);
}

export function rethVaHi(buf: Uint8Array, off: number): number {
  return getU32(buf, off + VA);
}

export function rethVaLo(buf: Uint8Array, off: number): number {
  return getU32(buf, off + VA + 4);
}

export function rethRkey(buf: Uint8Array, off: number): number {
  return getU32(buf, off + RKEY);
}

export function rethDmaLen(buf: Uint8Array, off: number): number {
  return getU32(buf, off + DMALEN);
}

export function writeReth(buf: Uint8Array, off: number, va: number, rkey: number, dmaLen: number): void {
  putU64(buf, off + VA, va);
  putU32(buf, off + RKEY, rkey);
  putU32(buf, off + DMALEN, dmaLen);
}

/** As {@link writeReth}, for an address that a double may not hold. */
export function writeRethHiLo(
  buf: Uint8Array,
  off: number,
  vaHi: number,
  vaLo: number,
  rkey: number,
  dmaLen: number,
): void {
  putU32(buf, off + VA, vaHi);
  putU32(buf, off + VA + 4, vaLo);
  putU32(buf, off + RKEY, rkey);
  putU32(buf, off + DMALEN, dmaLen);
}

export interface Reth {
  va: bigint;
  rkey: number;
  dmaLen: number;
}

export function parseReth(buf: Uint8Array, off: number, end: number = buf.length): Reth | WireError {
  return (
    checkRoom(off, end, RETH_LEN, 'RETH') ?? {
      va: getU64Big(buf, off + VA),
      rkey: rethRkey(buf, off),
      dmaLen: rethDmaLen(buf, off),
    }
  );
}

export function emitReth(buf: Uint8Array, off: number, reth: Reth): void {
  putU64Big(buf, off + VA, reth.va);
  putU32(buf, off + RKEY, reth.rkey);
  putU32(buf, off + DMALEN, reth.dmaLen);
}

export function formatReth(reth: Reth): string {
  return `VA ${hex(reth.va)} RKey ${hex(reth.rkey)} DMALen ${reth.dmaLen}`;
}
