import { SrqAttrMask } from '../core/constants.ts';
import { VerbsError } from '../core/errors.ts';
import type { SharedReceiveQueue as CoreSrq, SrqAttr } from '../core/srq.ts';
import { destroySrq, modifySrq, querySrq } from '../core/verbs-srq.ts';
import { RecvWr } from '../core/work.ts';
import { fillRecv, type RecvRequest } from './requests.ts';

/** A shared receive queue: made by `pd.createSrq`, given to `pd.createQp`. */
export class SharedReceiveQueue {
  /** @internal */
  readonly core: CoreSrq;
  private readonly scratch = new RecvWr();

  /** @internal */
  constructor(core: CoreSrq) {
    this.core = core;
  }

  /** Posts receive requests, in order. ENOMEM when the queue is full: those before the one that failed are posted. */
  postRecv(request: RecvRequest | RecvWr | readonly (RecvRequest | RecvWr)[]): void {
    if (this.core.destroyed) throw new VerbsError('postSrqRecv', 'EINVAL', 'the SRQ is destroyed');
    const { ops } = this.core.context.device;
    for (const r of Array.isArray(request) ? request : [request]) {
      ops.postSrqRecv(this.core, r instanceof RecvWr ? r : fillRecv(this.scratch, r));
    }
  }

  /** An SRQ_LIMIT_REACHED event is raised, once, when fewer requests than this are left. */
  arm(limit: number): void {
    modifySrq(this.core, { limit }, SrqAttrMask.LIMIT);
  }

  resize(maxWr: number): void {
    modifySrq(this.core, { maxWr }, SrqAttrMask.MAX_WR);
  }

  query(): SrqAttr {
    return querySrq(this.core);
  }

  /** EBUSY while queue pairs receive from it. */
  close(): void {
    if (!this.core.destroyed) destroySrq(this.core);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
