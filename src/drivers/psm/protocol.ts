// What endpoints say to each other: over datagrams to get connected, over their reliable connection from then on. Big-endian.
import { getU32, getU64, putU32, putU64 } from '../../wire/bytes.ts';
import type { Tag } from './matched-queue.ts';

/** On the connection: the first byte. What follows is as short as it can be, for a short message costs by the byte. */
export const Kind = {
  /** A message, whole: three bytes of nothing, its tag, itself. */
  EAGER: 1,
  /** A message that the receiver is to read from the sender's memory: its tag, and where it is. */
  READY: 2,
  /** It has been read. */
  DONE: 3,
  /** An active message: handler, how many 64-bit arguments, nothing; the arguments, the data. */
  ACTIVE: 4,
} as const;

/** Bytes before the message, or in all. */
export const EAGER = 16;
export const READY = 36;
export const DONE = 8;
export const ACTIVE = 4;

const AT = { HANDLER: 1, ARGS: 2, TAG: 4, ID: 16, LENGTH: 20, ADDR: 24, RKEY: 32, DONE_ID: 4 } as const;

/** Where a message is that is to be read. */
export interface Remote {
  /** The sender's name for it, and what the answer names. */
  readonly id: number;
  readonly addr: number;
  readonly rkey: number;
}

function putTag(buf: Buffer, at: number, kind: number, tag: Tag): void {
  putU32(buf, at, kind << 24);
  putU32(buf, at + AT.TAG, tag[0]);
  putU32(buf, at + AT.TAG + 4, tag[1]);
  putU32(buf, at + AT.TAG + 8, tag[2]);
}

export const getTag = (buf: Buffer, at: number): Tag => [
  getU32(buf, at + AT.TAG),
  getU32(buf, at + AT.TAG + 4),
  getU32(buf, at + AT.TAG + 8),
];

export const putEager = (buf: Buffer, at: number, tag: Tag): void => putTag(buf, at, Kind.EAGER, tag);

export function putReady(buf: Buffer, at: number, tag: Tag, length: number, { id, addr, rkey }: Remote): void {
  putTag(buf, at, Kind.READY, tag);
  putU32(buf, at + AT.ID, id);
  putU32(buf, at + AT.LENGTH, length);
  putU64(buf, at + AT.ADDR, addr);
  putU32(buf, at + AT.RKEY, rkey);
}

export const getReadyLength = (buf: Buffer, at: number): number => getU32(buf, at + AT.LENGTH);

export const getRemote = (buf: Buffer, at: number): Remote => ({
  id: getU32(buf, at + AT.ID),
  addr: getU64(buf, at + AT.ADDR),
  rkey: getU32(buf, at + AT.RKEY),
});

export function putDone(buf: Buffer, at: number, id: number): void {
  putU32(buf, at, Kind.DONE << 24);
  putU32(buf, at + AT.DONE_ID, id);
}

export const getDoneId = (buf: Buffer, at: number): number => getU32(buf, at + AT.DONE_ID);

export function putActive(buf: Buffer, at: number, handler: number, args: number): void {
  putU32(buf, at, (Kind.ACTIVE << 24) | (handler << 16) | (args << 8));
}

export const getHandler = (buf: Buffer, at: number): number => buf[at + AT.HANDLER];
export const getArgs = (buf: Buffer, at: number): number => buf[at + AT.ARGS];

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
