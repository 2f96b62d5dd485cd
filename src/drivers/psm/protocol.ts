// What endpoints say to each other: over datagrams to get connected, over their reliable connection from then on. Big-endian.
import { getU32, getU64, putU32, putU64 } from '../../wire/bytes.ts';
import { NO_TAG, type Tag } from './matched-queue.ts';

/** On the connection. */
export const Kind = {
  /** A message, whole. */
  EAGER: 1,
  /** A message that the receiver is to read from the sender's memory. */
  READY: 2,
  /** It has been read. */
  DONE: 3,
  /** An active message. */
  ACTIVE: 4,
} as const;

export const HEADER = 40;
const AT = { KIND: 0, HANDLER: 1, ARGS: 2, ID: 4, LENGTH: 8, TAG: 12, ADDR: 24, RKEY: 32 } as const;

export interface Header {
  readonly kind: number;
  /** Of an active message, and how many 64-bit arguments follow the header. */
  readonly handler: number;
  readonly args: number;
  /** Of a READY, and the DONE that answers it. */
  readonly id: number;
  /** Bytes of the message. */
  readonly length: number;
  readonly tag: Tag;
  readonly addr: number;
  readonly rkey: number;
}

/** A header, all fields of which are there. */
export function headerOf(kind: number, fields: Partial<Header> = {}): Header {
  const { handler = 0, args = 0, id = 0, length = 0, tag = NO_TAG, addr = 0, rkey = 0 } = fields;
  return { kind, handler, args, id, length, tag, addr, rkey };
}

export function writeHeader(buf: Buffer, at: number, h: Header): void {
  const { tag } = h;
  buf[at + AT.KIND] = h.kind;
  buf[at + AT.HANDLER] = h.handler;
  buf[at + AT.ARGS] = h.args;
  buf[at + 3] = 0;
  putU32(buf, at + AT.ID, h.id);
  putU32(buf, at + AT.LENGTH, h.length);
  putU32(buf, at + AT.TAG, tag[0]);
  putU32(buf, at + AT.TAG + 4, tag[1]);
  putU32(buf, at + AT.TAG + 8, tag[2]);
  putU64(buf, at + AT.ADDR, h.addr);
  putU32(buf, at + AT.RKEY, h.rkey);
  putU32(buf, at + AT.RKEY + 4, 0);
}

export function readHeader(buf: Buffer, at: number): Header {
  return {
    kind: buf[at + AT.KIND],
    handler: buf[at + AT.HANDLER],
    args: buf[at + AT.ARGS],
    id: getU32(buf, at + AT.ID),
    length: getU32(buf, at + AT.LENGTH),
    tag: [getU32(buf, at + AT.TAG), getU32(buf, at + AT.TAG + 4), getU32(buf, at + AT.TAG + 8)],
    addr: getU64(buf, at + AT.ADDR),
    rkey: getU32(buf, at + AT.RKEY),
  };
}

/** Datagrams: asking for a connection, and the answer. */
export const Hello = { REQUEST: 0x51, REPLY: 0x52 } as const;
export const HelloStatus = { OK: 0, OTHER_JOB: 1 } as const;
export const HELLO = 36;

export interface Greeting {
  readonly type: number;
  readonly status: number;
  /** The endpoint that speaks, and its queue pair for this connection. */
  readonly epid: number;
  readonly qpn: number;
  readonly psn: number;
  /** The job's key: endpoints of other jobs are not talked to. */
  readonly uuid: Uint8Array;
}

export function writeGreeting(buf: Buffer, at: number, g: Greeting): void {
  buf.fill(0, at, at + HELLO);
  buf[at] = g.type;
  buf[at + 1] = g.status;
  buf.writeUInt32BE(g.qpn, at + 4);
  buf.writeUInt32BE(g.psn, at + 8);
  buf.writeBigUInt64BE(BigInt(g.epid), at + 12);
  buf.set(g.uuid, at + 20);
}

export function readGreeting(buf: Buffer, at: number): Greeting {
  return {
    type: buf[at],
    status: buf[at + 1],
    qpn: buf.readUInt32BE(at + 4),
    psn: buf.readUInt32BE(at + 8),
    epid: Number(buf.readBigUInt64BE(at + 12)),
    uuid: Uint8Array.from(buf.subarray(at + 20, at + 36)),
  };
}

/** An endpoint's id: the LID it is at, and the number of its queue pair for datagrams. */
export const epidOf = (lid: number, qpn: number): number => lid * 2 ** 24 + qpn;
export const lidOfEpid = (epid: number): number => Math.floor(epid / 2 ** 24);
export const qpnOfEpid = (epid: number): number => epid % 2 ** 24;
