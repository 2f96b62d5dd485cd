// Receive work requests: taken from the QP's own queue or from a shared one, and copied, because a shared queue's element is
// free for its poster as soon as it is taken, and because what is checked must be what is used.
import { EventType } from '../core/constants.ts';
import type { ProtectionDomain } from '../core/pd.ts';
import type { QueueMemory } from '../core/queue-memory.ts';
import { SharedReceiveQueue, type SrqAttr } from '../core/srq.ts';
import { Ring } from './ring.ts';
import { RECV_WQE_SIZE, RQ, SGE_SIZE, u64 } from './wqe.ts';

export function recvRing(maxWr: number, maxSge: number, memory: QueueMemory): Ring {
  return new Ring(RECV_WQE_SIZE + maxSge * SGE_SIZE, maxWr, memory, 'consumer', true);
}

export class SoftSrq extends SharedReceiveQueue {
  ring: Ring;

  constructor(pd: ProtectionDomain, attr: SrqAttr) {
    super(pd, attr);
    this.ring = recvRing(attr.maxWr, attr.maxSge, pd.context.queueMemory);
    attr.maxWr = this.ring.mask;
  }

  /** ibv_modify_srq(3): the limit event is raised once, then the limit must be armed anew (Linux rxe get_srq_wqe). */
  checkLimit(): void {
    if (this.attr.limit === 0 || this.ring.count >= this.attr.limit) return;
    this.attr.limit = 0;
    this.context.device.raise(EventType.SRQ_LIMIT_REACHED, this);
  }
}

/** What a {@link CurrentRecv} keeps of an element. */
export const RecvSge = { ADDR: 0, LENGTH: 1, LKEY: 2, WORDS: 3 } as const;

const NO_SGE = new Float64Array(0);

/** The receive work request that an incoming message is filling. */
export class CurrentRecv {
  wrIdLo = 0;
  wrIdHi = 0;
  length = 0;
  numSge = 0;
  active = false;
  private readonly maxSge: number;
  /** {@link RecvSge} of each element; made with the first request. */
  sge: Float64Array = NO_SGE;

  constructor(maxSge: number) {
    this.maxSge = maxSge;
  }

  /** Takes the next request off `ring`; false when there is none. */
  take(ring: Ring): boolean {
    const index = ring.consumer;
    if (index === ring.producer) return false;
    const u32 = ring.u32;
    let w = ring.word(index);
    this.wrIdLo = u32[w + RQ.WR_ID];
    this.wrIdHi = u32[w + RQ.WR_ID + 1];
    // The ring's other side wrote this count: never more than the queue was made for.
    const n = Math.min(u32[w + RQ.NUM_SGE], this.maxSge);
    this.numSge = n;
    this.length = 0;
    w += RQ.SGE;
    if (this.sge.length === 0) this.sge = new Float64Array(this.maxSge * RecvSge.WORDS);
    const { sge } = this;
    for (let i = 0; i < n * RecvSge.WORDS; i += RecvSge.WORDS, w += 4) {
      sge[i + RecvSge.ADDR] = u64(u32, w);
      sge[i + RecvSge.LENGTH] = u32[w + 2];
      sge[i + RecvSge.LKEY] = u32[w + 3];
      this.length += u32[w + 2];
    }
    this.active = true;
    ring.consumer = ring.next(index);
    return true;
  }
}
