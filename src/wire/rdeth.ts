// Reliable Datagram Extended Transport Header, IBTA vol. 1 section 9.3. RD is not implemented anywhere; decoded for tools.
import { getU24, hex, putU24 } from './bytes.ts';
import { checkRoom, type WireError } from './error.ts';

export const RDETH_LEN = 4;

export interface RdEth {
  resv8: number;
  /** End-to-end context number. */
  eecn: number;
}

export function parseRdEth(buf: Uint8Array, off: number, end: number = buf.length): RdEth | WireError {
  return checkRoom(off, end, RDETH_LEN, 'RDETH') ?? { resv8: buf[off], eecn: getU24(buf, off + 1) };
}

export function emitRdEth(buf: Uint8Array, off: number, rd: RdEth): void {
  buf[off] = rd.resv8;
  putU24(buf, off + 1, rd.eecn);
}

export function formatRdEth(rd: RdEth): string {
  return `EEC ${hex(rd.eecn)}`;
}
