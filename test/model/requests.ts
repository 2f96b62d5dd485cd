// Work requests of a scenario: as the driver is given them, and as the model is told of them.
import { Access, SendFlags, WrOpcode } from '../../src/core/constants.ts';
import type { MemoryRegion, MemoryWindow } from '../../src/core/mr.ts';
import * as verbs from '../../src/core/verbs.ts';
import type { SendWr, Sge } from '../../src/core/work.ts';
import type { SoftQp } from '../../src/transport/qp.ts';
import { fill, type Node, sge } from '../transport/fabric.ts';
import type { End } from './rc-model.ts';
import { ATOMICS, FETCHES, type Wr } from './rc-wr.ts';
import { type Act, CELLS, type Operation, STORE } from './scenario.ts';

export type Post = Extract<Act, { act: 'post' }>;
export type Region = MemoryRegion & { readonly bytes: Buffer };

/** One end of one connection: what the program holds, and its model. */
export interface Half {
  readonly node: Node;
  readonly side: number;
  readonly qp: SoftQp;
  store: Region;
  mw: MemoryWindow;
  windowKey: number;
  model: End;
  peer: Half;
  /** The source of the request posted last. */
  source: { id: number; mr: MemoryRegion } | null;
}

export const INLINE_ROOM = 64;
/** Bytes behind a buffer that must stay as they are. */
export const GUARD = 16;

const OPCODE: Record<Operation, number> = {
  send: WrOpcode.SEND,
  sendImm: WrOpcode.SEND_WITH_IMM,
  sendInv: WrOpcode.SEND_WITH_INV,
  write: WrOpcode.RDMA_WRITE,
  writeImm: WrOpcode.RDMA_WRITE_WITH_IMM,
  read: WrOpcode.RDMA_READ,
  swap: WrOpcode.ATOMIC_CMP_AND_SWP,
  add: WrOpcode.ATOMIC_FETCH_AND_ADD,
  atomicWrite: WrOpcode.ATOMIC_WRITE,
  bind: WrOpcode.BIND_MW,
  invalidate: WrOpcode.LOCAL_INV,
  unknown: 12,
};
export interface Request {
  readonly wr: Wr;
  readonly request: Partial<SendWr> & { opcode: number };
  /** The memory it sends from, or fetches into, and whether its SGEs name it. */
  readonly mr: Region;
  readonly named: boolean;
}

/** `mr`'s first `length` bytes as `n` SGEs. */
export function pieces(mr: MemoryRegion, length: number, n: number): Sge[] {
  const part = Math.floor(length / n);
  const last = part * (n - 1);
  const out = Array.from({ length: n - 1 }, (_, i) => sge(mr, i * part, part));
  return [...out, sge(mr, last, length - last)];
}

export function requestOf(half: Half, p: Post, id: number, signalAll: boolean): Request {
  const { node, peer } = half;
  const opcode = OPCODE[p.op];
  const inElement = p.op === 'atomicWrite';
  const atomic = ATOMICS.includes(opcode) || inElement;
  const fetches = FETCHES.includes(opcode);
  const local = p.op === 'bind' || p.op === 'invalidate';
  const inline = (p.flags & SendFlags.INLINE) !== 0 && !fetches && !local && !inElement && p.op !== 'unknown';
  const length = local ? 0 : atomic ? 8 : inline ? p.size % INLINE_ROOM : p.size;
  const data = fetches ? Buffer.alloc(0) : fill(Buffer.alloc(length), id);
  const mr = node.regMr(Buffer.concat([fetches ? Buffer.alloc(length) : data, Buffer.alloc(GUARD)]));
  const odd = atomic && p.fault === 'odd' ? 4 : 0;
  const at = atomic ? CELLS + (p.at & 1) * 16 + odd : p.at;
  const past = p.fault === 'range' ? STORE - at - (atomic ? odd : length - 1) : 0;
  const sgeLength = atomic && !inElement && p.fault === 'short' ? 7 : length;
  const key = p.fault === 'rkey' ? 'wrong' : p.window || p.op === 'sendInv' ? 'window' : 'store';
  const keys = { wrong: 0x77, window: peer.windowKey, store: peer.store.rkey };
  const wr: Wr = {
    id,
    op: opcode,
    length,
    signaled: signalAll || (p.flags & SendFlags.SIGNALED) !== 0,
    fence: (p.flags & SendFlags.FENCE) !== 0,
    data,
    at,
    imm: p.op === 'sendInv' ? keys[key] : id * 0x10001,
    compareAdd: BigInt(p.size % 4),
    swap: inElement ? data.readBigUInt64LE(0) : BigInt((p.size + id) % 4),
    sgeAllowed: inline || inElement || p.fault !== 'lkey',
    sgeLength,
    key,
    inRange: past === 0,
    aligned: odd === 0,
  };
  const list = pieces(mr, sgeLength, atomic ? 1 : p.pieces);
  if (p.fault === 'lkey') list[list.length - 1].lkey = 0x99;
  // A piece of no bytes is never looked at.
  const used = p.fault !== 'lkey' || list[list.length - 1].length > 0;
  const request: Partial<SendWr> & { opcode: number } = {
    wrId: id,
    opcode,
    flags: inline ? p.flags : p.flags & ~SendFlags.INLINE,
    imm: wr.imm,
    sge: inline || local || inElement ? [] : list,
    inline: inline ? data : null,
    remoteAddr: peer.store.iova + at + past,
    rkey: keys[key],
    compareAdd: wr.compareAdd,
    swap: wr.swap,
  };
  if (p.op === 'invalidate') request.imm = half.windowKey;
  if (p.op === 'bind') bind(half, request);
  return { wr: { ...wr, sgeAllowed: wr.sgeAllowed || !used }, request, mr, named: !inline && !local && !inElement };
}

function bind(half: Half, request: Partial<SendWr>): void {
  const { mw, store } = half;
  half.windowKey = verbs.nextKey(mw.rkey);
  const bindAccess = Access.REMOTE_WRITE | Access.REMOTE_READ | Access.REMOTE_ATOMIC;
  const range = { bindAddr: store.iova, bindLength: STORE, bindAccess };
  Object.assign(request, { mw, bindMr: store, bindRkey: half.windowKey, ...range });
}
