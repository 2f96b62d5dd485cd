// Verbs as libibverbs and the rxe provider make them of commands, for tests: layouts by number, from the C headers.
import { writeSync } from 'node:fs';
import { type Program, type Queue, u32, u64 } from './program.ts';

const DEST = Buffer.concat([Buffer.from('00000000000000000000ffff7f000001', 'hex'), Buffer.alloc(16)]);
DEST[25] = 64;
DEST[30] = 1;
DEST[31] = 1;

export const getContext = (p: Program): number => p.ok(0, u64(0), 8).out.readUInt32LE(0);
export const allocPd = (p: Program): number => p.ok(3, u64(0), 4).out.readUInt32LE(0);
export const createChannel = (p: Program): number => p.ok(17, u64(0), 4).out.readUInt32LE(0);

export interface Mr {
  readonly handle: number;
  readonly lkey: number;
  readonly rkey: number;
}

export function regMr(p: Program, pd: number, address: number, length: number, access = 7): Mr {
  const request = Buffer.concat([u64(0), u64(address), u64(length), u64(address), u32(pd, access)]);
  const { out } = p.ok(9, request, 12);
  return { handle: out.readUInt32LE(0), lkey: out.readUInt32LE(4), rkey: out.readUInt32LE(8) };
}

export interface Cq {
  readonly handle: number;
  readonly queue: Queue;
}

export function createCq(p: Program, cqe: number, channel = -1, user = 0x1122334455667788n): Cq {
  const { out, driver } = p.ok(18, Buffer.concat([u64(0), u64(user), u32(cqe, 0, channel, 0)]), 8, 16);
  return { handle: out.readUInt32LE(0), queue: p.map(driver, 0) };
}

export interface Qp {
  readonly handle: number;
  readonly qpn: number;
  readonly rq: Queue;
  readonly sq: Queue;
}

export function qpRequest(pd: number, cq: number, user = 0xfedcba9876543210n, type = 2): Buffer {
  const request = Buffer.concat([u64(0), u64(user), u32(pd, cq, cq, 0, 16, 16, 2, 2, 64), Buffer.alloc(4)]);
  request[53] = type;
  return request;
}

export function createQp(p: Program, pd: number, cq: number, user?: bigint): Qp {
  const { out, driver } = p.ok(24, qpRequest(pd, cq, user), 32, 32);
  return { handle: out.readUInt32LE(0), qpn: out.readUInt32LE(4), rq: p.map(driver, 0), sq: p.map(driver, 16) };
}

/** MODIFY_QP with these bytes set. */
export function modifyQp(p: Program, qp: number, mask: number, set: Readonly<Record<number, number>>): number {
  const request = Buffer.alloc(112);
  DEST.copy(request);
  request.writeUInt32LE(qp, 64);
  request.writeUInt32LE(mask >>> 0, 68);
  for (const [at, value] of Object.entries(set)) {
    if (Number(at) < 92) request.writeUInt32LE(value, Number(at));
    else request[Number(at)] = value;
  }
  return p.invoke(26, request).errno;
}

/** RC, to RTS. */
export function connect(p: Program, qp: Qp, peer: number): number[] {
  return [
    modifyQp(p, qp.handle, 1 | (1 << 4) | (1 << 5) | (1 << 3), { 96: 1, 104: 1, 88: 7 }),
    modifyQp(p, qp.handle, 1 | (1 << 7) | (1 << 8) | (1 << 20) | (1 << 12) | (1 << 17) | (1 << 15), {
      96: 2,
      98: 3,
      84: peer,
      102: 1,
      103: 12,
    }),
    modifyQp(p, qp.handle, 1 | (1 << 16) | (1 << 9) | (1 << 10) | (1 << 11) | (1 << 13), {
      96: 3,
      105: 14,
      106: 7,
      107: 7,
      101: 1,
    }),
  ];
}

export function postRecv(qp: Qp, wrId: bigint, address: number, length: number, lkey: number): void {
  const { bytes, slot } = qp.rq;
  bytes.writeBigUInt64LE(wrId, slot);
  bytes.writeUInt32LE(length, slot + 16);
  bytes.writeUInt32LE(1, slot + 28);
  sge(bytes, slot + 40, address, length, lkey);
  qp.rq.post();
}

export function postSend(p: Program, qp: Qp, wrId: bigint, address: number, length: number, lkey: number): void {
  const { bytes, slot } = qp.sq;
  bytes.fill(0, slot, slot + 208);
  bytes.writeBigUInt64LE(wrId, slot);
  bytes.writeUInt32LE(2, slot + 12);
  bytes.writeUInt32LE(2, slot + 16);
  bytes.writeUInt32LE(length, slot + 184);
  bytes.writeUInt32LE(1, slot + 196);
  sge(bytes, slot + 208, address, length, lkey);
  qp.sq.post();
  ring(p, qp.handle);
}

const positions = new WeakMap<Program, number>();

/** The doorbell: a write to the device, which is a file. */
export function ring(p: Program, handle: number): void {
  writeLog(p, doorbell(handle));
}

export function doorbell(handle: number): Buffer {
  const record = Buffer.concat([u32(28, 8 | (1 << 16)), u64(0), u32(handle, 0, 0, 128)]);
  return record;
}

export function writeLog(p: Program, bytes: Buffer): void {
  const at = positions.get(p) ?? 0;
  writeSync(p.file.fd, bytes, 0, bytes.length, at);
  positions.set(p, at + bytes.length);
}

function sge(bytes: Buffer, at: number, address: number, length: number, lkey: number): void {
  bytes.writeBigUInt64LE(BigInt(address), at);
  bytes.writeUInt32LE(length, at + 8);
  bytes.writeUInt32LE(lkey, at + 12);
}

export interface Wc {
  readonly wrId: bigint;
  readonly status: number;
  readonly opcode: number;
  readonly byteLen: number;
  readonly qpn: number;
}

export function poll(cq: Cq): Wc | null {
  const wc = cq.queue.take();
  if (wc === null) return null;
  return {
    wrId: wc.readBigUInt64LE(0),
    status: wc.readUInt32LE(8),
    opcode: wc.readUInt32LE(12),
    byteLen: wc.readUInt32LE(20),
    qpn: wc.readUInt32LE(28),
  };
}
