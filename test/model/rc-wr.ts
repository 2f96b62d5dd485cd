// Work requests as the model of reliable connections sees them.
import { WrOpcode as O, WcStatus as W, WcOpcode } from '../../src/core/constants.ts';

export class Violation extends Error {}
export function demand(condition: boolean, rule: string): asserts condition {
  if (!condition) throw new Violation(rule);
}

/** The opcode of a completion for each work request (ibv_poll_cq). */
export const COMPLETES_AS = new Map<number, number>([
  [O.RDMA_WRITE, WcOpcode.RDMA_WRITE],
  [O.RDMA_WRITE_WITH_IMM, WcOpcode.RDMA_WRITE],
  [O.SEND, WcOpcode.SEND],
  [O.SEND_WITH_IMM, WcOpcode.SEND],
  [O.SEND_WITH_INV, WcOpcode.SEND],
  [O.RDMA_READ, WcOpcode.RDMA_READ],
  [O.ATOMIC_CMP_AND_SWP, WcOpcode.COMP_SWAP],
  [O.ATOMIC_FETCH_AND_ADD, WcOpcode.FETCH_ADD],
  [O.ATOMIC_WRITE, WcOpcode.ATOMIC_WRITE],
  [O.LOCAL_INV, WcOpcode.LOCAL_INV],
  [O.BIND_MW, WcOpcode.BIND_MW],
]);
export const SENDS: readonly number[] = [O.SEND, O.SEND_WITH_IMM, O.SEND_WITH_INV];
export const IMMEDIATE: readonly number[] = [O.SEND_WITH_IMM, O.RDMA_WRITE_WITH_IMM];
export const WRITES: readonly number[] = [O.RDMA_WRITE, O.RDMA_WRITE_WITH_IMM, O.ATOMIC_WRITE];
export const ATOMICS: readonly number[] = [O.ATOMIC_CMP_AND_SWP, O.ATOMIC_FETCH_AND_ADD];
export const FETCHES: readonly number[] = [...ATOMICS, O.RDMA_READ];
export const ONE_SIDED: readonly number[] = [...WRITES, ...FETCHES];
/** Carried out where they are posted. */
export const WINDOW: readonly number[] = [O.BIND_MW, O.LOCAL_INV];
export const RESPONDERS_FAULT: readonly number[] = [W.REM_ACCESS_ERR, W.REM_INV_REQ_ERR, W.REM_OP_ERR];
export const U64 = (1n << 64n) - 1n;

export interface Wr {
  readonly id: number;
  readonly op: number;
  readonly length: number;
  readonly signaled: boolean;
  readonly fence: boolean;
  /** What it sends. */
  readonly data: Buffer;
  /** Where in the peer's store. */
  readonly at: number;
  readonly imm: number;
  readonly compareAdd: bigint;
  readonly swap: bigint;
  /** The local buffers may be used as they are named; long enough for an ATOMIC. */
  readonly sgeAllowed: boolean;
  readonly sgeLength: number;
  readonly key: 'store' | 'window' | 'wrong';
  readonly inRange: boolean;
  readonly aligned: boolean;
}

/** A posted request: statuses that it must end in, if any, and others that it may end in. */
export interface Posted extends Wr {
  readonly must: number[];
  readonly may: number[];
}

export interface Receive {
  readonly id: number;
  readonly room: number;
  readonly allowed: boolean;
}

/** A shared receive queue: requests are taken in the order of posting, by whoever has a message (C10-49). */
export class SharedQueue {
  readonly posted: number[] = [];
  readonly taken = new Set<number>();
  /** All but `inHand` of what was taken has completed: it must be what was posted first. */
  settled(inHand: number): void {
    const first = this.posted.findIndex((id) => !this.taken.has(id));
    const behind = first < 0 ? 0 : this.taken.size - first;
    demand(behind <= 0 || inHand > 0, 'an SRQ is consumed in the order of posting');
  }
}

/** Does it take a receive request at the peer? */
export const consumes = (w: Wr): boolean => SENDS.includes(w.op) || w.op === O.RDMA_WRITE_WITH_IMM;
