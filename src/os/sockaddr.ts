// struct sockaddr_in and sockaddr_in6 (uapi/linux/in.h, in6.h).
import { AF_INET, AF_INET6 } from './constants.ts';

/** Room for either. */
export const SOCKADDR_BYTES = 28;

/** Writes a socket address; returns its length. */
export function writeSockaddr(buf: Buffer, off: number, bytes: Uint8Array, port: number, scope: number): number {
  if (bytes.length === 4) {
    buf.fill(0, off, off + 16);
    buf.writeUInt16LE(AF_INET, off);
    buf.writeUInt16BE(port, off + 2);
    buf.set(bytes, off + 4);
    return 16;
  }
  buf.fill(0, off, off + SOCKADDR_BYTES);
  buf.writeUInt16LE(AF_INET6, off);
  buf.writeUInt16BE(port, off + 2);
  buf.set(bytes, off + 8);
  buf.writeUInt32LE(scope, off + 24);
  return SOCKADDR_BYTES;
}

/** Reads a socket address: a copy of its address bytes, and its port. */
export function readSockaddr(buf: Buffer, off: number): { bytes: Uint8Array; port: number } {
  const [from, length] = buf.readUInt16LE(off) === AF_INET ? [off + 4, 4] : [off + 8, 16];
  return { bytes: Uint8Array.from(buf.subarray(from, from + length)), port: buf.readUInt16BE(off + 2) };
}
