// A program that posts receive requests to a queue pair in the error state rings no doorbell; they must be flushed all the same
// (what ibv_drain_qp stands on). So somebody looks.
import { QpState } from '../core/constants.ts';
import type { QueuePair } from '../core/qp.ts';
import type { UserAbi } from '../core/user-abi.ts';

/** Queue pairs looked at in one turn; more than a few not more often than so. */
const BUDGET = 1024;
const FEW = 64;
const REST_MS = 0.2;
/** Nor for longer than this: a program may fill long queues again as fast as they are flushed. */
const MOST_MS = 1;
/** After a queue pair has failed, its program will probably post or drain soon: look often; after that, seldom. */
const SOON_MS = 1;
const LATER_MS = 20;
const SOON_FOR_MS = 1000;

export class ErrorWatch {
  private readonly abi: UserAbi;
  private readonly qps: QueuePair[] = [];
  private readonly failed = new Set<QueuePair>();
  private at = 0;
  private changedAt = 0;
  private lookedAt = 0;

  constructor(abi: UserAbi) {
    this.abi = abi;
  }

  add(qp: QueuePair): void {
    if (qp.srq === null) this.qps.push(qp);
  }

  remove(qp: QueuePair): void {
    const index = this.qps.indexOf(qp);
    if (index >= 0) this.qps[index] = this.qps[this.qps.length - 1];
    if (index >= 0) this.qps.length--;
    this.failed.delete(qp);
  }

  /** Flushes what there is; milliseconds until somebody should look again. */
  turn(): number {
    const { qps, failed } = this;
    if (qps.length > FEW) {
      const now = performance.now();
      if (now - this.lookedAt < REST_MS) return SOON_MS;
      this.lookedAt = now;
    }
    const end = failed.size === 0 ? Number.POSITIVE_INFINITY : performance.now() + MOST_MS;
    for (let n = Math.min(qps.length, BUDGET); n > 0; n--) {
      this.at = this.at + 1 < qps.length ? this.at + 1 : 0;
      const qp = qps[this.at];
      if (qp.attr.state === QpState.ERR) {
        if (this.sawFailed(qp) && performance.now() > end) break;
      } else if (failed.size > 0) failed.delete(qp);
    }
    if (failed.size === 0) return Number.POSITIVE_INFINITY;
    return performance.now() - this.changedAt < SOON_FOR_MS ? SOON_MS : LATER_MS;
  }

  /** Was something flushed? */
  private sawFailed(qp: QueuePair): boolean {
    const isNew = !this.failed.has(qp);
    if (isNew) this.failed.add(qp);
    const flushed = this.abi.flushReceives(qp);
    if (flushed || isNew) this.changedAt = performance.now();
    return flushed;
  }
}
