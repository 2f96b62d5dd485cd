// What the program has posted, and what has come back of it: every request completes at most once, in order.
import { WcOpcode, WcStatus, WrOpcode } from '../src/core/constants.ts';
import type { Sge, WorkCompletion } from '../src/core/work.ts';
import { violated } from './violation.ts';

export interface Posted {
  readonly op: number;
  readonly sge: readonly Sge[];
  readonly length: number;
  /** It must make a completion whatever becomes of it. */
  readonly signaled: boolean;
}

const WC_OF: Readonly<Record<number, number>> = {
  [WrOpcode.RDMA_WRITE]: WcOpcode.RDMA_WRITE,
  [WrOpcode.RDMA_WRITE_WITH_IMM]: WcOpcode.RDMA_WRITE,
  [WrOpcode.SEND]: WcOpcode.SEND,
  [WrOpcode.SEND_WITH_IMM]: WcOpcode.SEND,
  [WrOpcode.SEND_WITH_INV]: WcOpcode.SEND,
  [WrOpcode.RDMA_READ]: WcOpcode.RDMA_READ,
  [WrOpcode.ATOMIC_CMP_AND_SWP]: WcOpcode.COMP_SWAP,
  [WrOpcode.ATOMIC_FETCH_AND_ADD]: WcOpcode.FETCH_ADD,
  [WrOpcode.LOCAL_INV]: WcOpcode.LOCAL_INV,
  [WrOpcode.BIND_MW]: WcOpcode.BIND_MW,
  [WrOpcode.FLUSH]: WcOpcode.FLUSH,
  [WrOpcode.ATOMIC_WRITE]: WcOpcode.ATOMIC_WRITE,
};

/** One queue: requests outstanding, oldest first, and those a reset made the queue forget. */
export class Outstanding {
  readonly posted = new Map<number, Posted>();
  /** They may have completed before the reset, and be in the CQ. */
  private readonly forgotten = new Set<number>();
  /** Someone has written over the queue: nothing can be said of it. */
  dirty = false;

  reset(): void {
    for (const wrId of this.posted.keys()) this.forgotten.add(wrId);
    this.posted.clear();
  }

  /** Takes out `wrId`, and what before it has completed without a word. */
  take(wrId: number, where: string): Posted | null {
    if (this.forgotten.delete(wrId)) return null;
    const it = this.posted.get(wrId);
    if (it === undefined) violated('completion of what is not outstanding', `${where} wr_id ${wrId}`);
    for (const [earlier, { signaled }] of this.posted) {
      this.posted.delete(earlier);
      if (earlier === wrId) break;
      if (signaled) violated('completion out of order', `${where} wr_id ${wrId} before ${earlier}`);
    }
    return it;
  }

  /** As {@link take}, where several consumers share the queue. */
  takeAny(wrId: number, where: string): Posted | null {
    const it = this.posted.get(wrId);
    if (it === undefined) violated('completion of what is not outstanding', `${where} wr_id ${wrId}`);
    this.posted.delete(wrId);
    return it;
  }
}

export interface Queues {
  readonly send: Outstanding;
  readonly recv: Outstanding;
  /** Other queue pairs take from the receive queue too. */
  readonly shared: boolean;
}

export function settle(queues: Queues, wc: WorkCompletion): void {
  const isRecv = (wc.opcode & WcOpcode.RECV) !== 0;
  const queue = isRecv ? queues.recv : queues.send;
  if (queue.dirty) return;
  const where = `QP ${wc.qpn} ${isRecv ? 'receive' : 'send'}`;
  const it = isRecv && queues.shared ? queue.takeAny(wc.wrId, where) : queue.take(wc.wrId, where);
  if (it === null || wc.status !== WcStatus.SUCCESS) return;
  if (isRecv) {
    if (wc.opcode === WcOpcode.RECV && wc.byteLen > it.length)
      violated('more received than there was room for', `${where} ${wc.byteLen} of ${it.length}`);
  } else if (WC_OF[it.op] !== wc.opcode) {
    violated('completion with another opcode', `${where} wr_id ${wc.wrId}: ${wc.opcode} for ${it.op}`);
  }
}
