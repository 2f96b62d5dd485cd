// Atomic ACK Extended Transport Header, IBTA vol. 1 section 9.3: what the memory held before the operation.
import { getU32, getU64Big, hex, putU32, putU64Big } from './bytes.ts';
import { checkRoom, type WireError } from './error.ts';

export const ATOMICACKETH_LEN = 8;

export function atomicAckEthOrigHi(buf: Uint8Array, off: number): number {
  return getU32(buf, off);
}

export function atomicAckEthOrigLo(buf: Uint8Array, off: number): number {
  return getU32(buf, off + 4);
}

export function writeAtomicAckEth(buf: Uint8Array, off: number, origHi: number, origLo: number): void {
  putU32(buf, off, origHi);
  putU32(buf, off + 4, origLo);
}

export interface AtomicAckEth {
  orig: bigint;
}

export function parseAtomicAckEth(buf: Uint8Array, off: number, end: number = buf.length): AtomicAckEth | WireError {
  return checkRoom(off, end, ATOMICACKETH_LEN, 'AtomicAckETH') ?? { orig: getU64Big(buf, off) };
}

export function emitAtomicAckEth(buf: Uint8Array, off: number, ack: AtomicAckEth): void {
  putU64Big(buf, off, ack.orig);
}

export function formatAtomicAckEth(ack: AtomicAckEth): string {
  return `Orig ${hex(ack.orig)}`;
}
