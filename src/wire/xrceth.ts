// XRC Extended Transport Header, IBTA vol. 1 annex A14: names the receiver's XRC shared receive queue. In requests only.
import { getU24, hex, putU24 } from './bytes.ts';
import { checkRoom, type WireError } from './error.ts';

export const XRCETH_LEN = 4;

export function xrcEthSrq(buf: Uint8Array, off: number): number {
  return getU24(buf, off + 1);
}

export function writeXrcEth(buf: Uint8Array, off: number, srq: number): void {
  buf[off] = 0;
  putU24(buf, off + 1, srq);
}

export interface XrcEth {
  resv8: number;
  srq: number;
}

export function parseXrcEth(buf: Uint8Array, off: number, end: number = buf.length): XrcEth | WireError {
  return checkRoom(off, end, XRCETH_LEN, 'XRCETH') ?? { resv8: buf[off], srq: xrcEthSrq(buf, off) };
}

export function emitXrcEth(buf: Uint8Array, off: number, xrc: XrcEth): void {
  buf[off] = xrc.resv8;
  putU24(buf, off + 1, xrc.srq);
}

export function formatXrcEth(xrc: XrcEth): string {
  return `XRCSRQ ${hex(xrc.srq)}`;
}
