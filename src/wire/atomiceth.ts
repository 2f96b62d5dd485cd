// Atomic Extended Transport Header, IBTA vol. 1 section 9.3. FetchAdd adds the swap field and ignores the compare field.
import { getU32, getU64, getU64Big, hex, putU32, putU64, putU64Big } from './bytes.ts';
import { checkRoom, type WireError } from './error.ts';

export const ATOMICETH_LEN = 28;

const VA = 0;
const RKEY = 8;
const SWAP = 12;
const COMPARE = 20;

/** Virtual address as a double: exact below 2^53. */
export function atomicEthVa(buf: Uint8Array, off: number): number {
  return getU64(buf, off + VA);
}

export function atomicEthVaHi(buf: Uint8Array, off: number): number {
  return getU32(buf, off + VA);
}

export function atomicEthVaLo(buf: Uint8Array, off: number): number {
  return getU32(buf, off + VA + 4);
}

export function atomicEthRkey(buf: Uint8Array, off: number): number {
  return getU32(buf, off + RKEY);
}

export function atomicEthSwapHi(buf: Uint8Array, off: number): number {
  return getU32(buf, off + SWAP);
}

export function atomicEthSwapLo(buf: Uint8Array, off: number): number {
  return getU32(buf, off + SWAP + 4);
}

export function atomicEthCompareHi(buf: Uint8Array, off: number): number {
  return getU32(buf, off + COMPARE);
}

export function atomicEthCompareLo(buf: Uint8Array, off: number): number {
  return getU32(buf, off + COMPARE + 4);
}

/** As {@link writeAtomicEth}, for an address that may be above 2^53. */
export function writeAtomicEthHiLo(
  buf: Uint8Array,
  off: number,
  vaHi: number,
  vaLo: number,
  rkey: number,
  swapHi: number,
  swapLo: number,
  compareHi: number,
  compareLo: number,
): void {
  writeAtomicEth(buf, off, 0, rkey, swapHi, swapLo, compareHi, compareLo);
  putU32(buf, off + VA, vaHi);
  putU32(buf, off + VA + 4, vaLo);
}

/** The operands are 64-bit values, handed over in halves: a double does not hold them. */
export function writeAtomicEth(
  buf: Uint8Array,
  off: number,
  va: number,
  rkey: number,
  swapHi: number,
  swapLo: number,
  compareHi: number,
  compareLo: number,
): void {
  putU64(buf, off + VA, va);
  putU32(buf, off + RKEY, rkey);
  putU32(buf, off + SWAP, swapHi);
  putU32(buf, off + SWAP + 4, swapLo);
  putU32(buf, off + COMPARE, compareHi);
  putU32(buf, off + COMPARE + 4, compareLo);
}

export interface AtomicEth {
  va: bigint;
  rkey: number;
  swap: bigint;
  compare: bigint;
}

export function parseAtomicEth(buf: Uint8Array, off: number, end: number = buf.length): AtomicEth | WireError {
  return (
    checkRoom(off, end, ATOMICETH_LEN, 'AtomicETH') ?? {
      va: getU64Big(buf, off + VA),
      rkey: atomicEthRkey(buf, off),
      swap: getU64Big(buf, off + SWAP),
      compare: getU64Big(buf, off + COMPARE),
    }
  );
}

export function emitAtomicEth(buf: Uint8Array, off: number, atomic: AtomicEth): void {
  putU64Big(buf, off + VA, atomic.va);
  putU32(buf, off + RKEY, atomic.rkey);
  putU64Big(buf, off + SWAP, atomic.swap);
  putU64Big(buf, off + COMPARE, atomic.compare);
}

export function formatAtomicEth(atomic: AtomicEth): string {
  return `VA ${hex(atomic.va)} RKey ${hex(atomic.rkey)} Swap/Add ${hex(atomic.swap)} Compare ${hex(atomic.compare)}`;
}
