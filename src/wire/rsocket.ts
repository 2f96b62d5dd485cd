// What two rsockets (rsocket(7), of librdmacm) tell each other: in private data where to write, in immediate data what was written.
import { getU16, getU32, getU64, putU16, putU32, putU64 } from './bytes.ts';
import { checkRoom, WireError } from './error.ts';

export const RS_CONN_LEN = 40;
export const RS_SGE_LEN = 16;
const VERSION = 1;
/** The sender's numbers in memory are big-endian. */
export const RS_FLAG_NET = 1;

/** A piece of memory that the peer may write to. */
export interface RsSge {
  addr: number;
  key: number;
  length: number;
}

export interface RsConn {
  flags: number;
  /** Receive requests the sender has posted. */
  credits: number;
  iomapSize: number;
  /** Where the peer writes the {@link RsSge} of its next buffers: so many entries, used in turns. */
  targetSgl: RsSge;
  /** The first buffer for data. */
  dataBuf: RsSge;
}

/** Immediate data: three bits say what it is, the rest is a number. */
export const RsOp = { DATA: 0, SGL: 4, IOMAP_SGL: 6, CTRL: 7 } as const;
export const RsCtrl = { DISCONNECT: 0, KEEPALIVE: 1, SHUTDOWN: 2 } as const;

export const rsMessage = (op: number, data: number): number => ((op << 29) | (data & 0x1fffffff)) >>> 0;
export const rsOp = (message: number): number => message >>> 29;
export const rsData = (message: number): number => message & 0x1fffffff;

function parseSge(buf: Uint8Array, off: number): RsSge {
  return { addr: getU64(buf, off), key: getU32(buf, off + 8), length: getU32(buf, off + 12) };
}

function emitSge(buf: Uint8Array, off: number, sge: RsSge): void {
  putU64(buf, off, sge.addr);
  putU32(buf, off + 8, sge.key);
  putU32(buf, off + 12, sge.length);
}

export function parseRsConn(buf: Uint8Array, off: number, end: number = buf.length): RsConn | WireError {
  const short = checkRoom(off, end, RS_CONN_LEN, 'rsocket connection data');
  if (short) return short;
  if (buf[off] !== VERSION) return new WireError('unsupported', off, `rsocket version ${buf[off]}`);
  return {
    flags: buf[off + 1],
    credits: getU16(buf, off + 2),
    iomapSize: buf[off + 7],
    targetSgl: parseSge(buf, off + 8),
    dataBuf: parseSge(buf, off + 24),
  };
}

export function emitRsConn(buf: Uint8Array, off: number, conn: RsConn): void {
  buf.fill(0, off, off + RS_CONN_LEN);
  buf[off] = VERSION;
  buf[off + 1] = conn.flags;
  putU16(buf, off + 2, conn.credits);
  buf[off + 7] = conn.iomapSize;
  emitSge(buf, off + 8, conn.targetSgl);
  emitSge(buf, off + 24, conn.dataBuf);
}

/** An entry of the target list as it lies in memory: in its owner's byte order. */
export function readTarget(buf: Buffer, off: number): RsSge {
  return { addr: Number(buf.readBigUInt64LE(off)), key: buf.readUInt32LE(off + 8), length: buf.readUInt32LE(off + 12) };
}

export function writeTarget(buf: Buffer, off: number, sge: RsSge, bigEndian: boolean): void {
  if (bigEndian) {
    emitSge(buf, off, sge);
    return;
  }
  buf.writeBigUInt64LE(BigInt(sge.addr), off);
  buf.writeUInt32LE(sge.key, off + 8);
  buf.writeUInt32LE(sge.length, off + 12);
}
