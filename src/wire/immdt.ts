// Immediate Data, IBTA vol. 1 section 9.3: four opaque bytes; verbs hand them on in network byte order.
import { getU32, hex, putU32 } from './bytes.ts';
import { checkRoom, type WireError } from './error.ts';

export const IMMDT_LEN = 4;

export function immDt(buf: Uint8Array, off: number): number {
  return getU32(buf, off);
}

export function writeImmDt(buf: Uint8Array, off: number, imm: number): void {
  putU32(buf, off, imm);
}

export interface ImmDt {
  imm: number;
}

export function parseImmDt(buf: Uint8Array, off: number, end: number = buf.length): ImmDt | WireError {
  return checkRoom(off, end, IMMDT_LEN, 'ImmDt') ?? { imm: immDt(buf, off) };
}

export function emitImmDt(buf: Uint8Array, off: number, header: ImmDt): void {
  writeImmDt(buf, off, header.imm);
}

export function formatImmDt(header: ImmDt): string {
  return `Imm ${hex(header.imm, 8)}`;
}
