// A type 2 memory window in the model of reliable connections: is it bound, as far as each end can know?
import { WrOpcode as O, WcStatus as W } from '../../src/core/constants.ts';
import type { Posted } from './rc-wr.ts';

export type Bound = 'yes' | 'no' | 'unsure';

export class Window {
  /** Its binding behind all that its owner has posted, and behind all that the peer has posted. */
  here: Bound = 'no';
  there: Bound = 'no';
  /** Binds and invalidations posted by its owner that have not completed. */
  pending = 0;
  /** The peer has posted an invalidation since the first of these. */
  private raced = false;

  /** Its owner posts a bind, which needs it unbound, or an invalidation, which needs it bound (IBTA 10.6.7.2.6, o10-37.2). */
  posted(p: Posted, registered: boolean): void {
    const bind = p.op === O.BIND_MW;
    const status = bind ? W.MW_BIND_ERR : W.LOC_QP_OP_ERR;
    if (bind && !registered) p.must.push(status);
    else if (this.here === 'unsure') p.may.push(status);
    else if ((this.here === 'yes') === bind) p.must.push(status);
    if (this.here !== 'unsure') this.here = bind ? 'yes' : 'no';
    this.there = 'unsure';
    if (this.pending++ === 0) this.raced = false;
  }

  /** Such a request of its owner has succeeded. */
  completed(bind: boolean): void {
    if (--this.pending > 0) return;
    this.here = this.raced ? 'unsure' : bind ? 'yes' : 'no';
    this.there = this.here;
  }

  /** The peer posts an invalidation. What the owner has outstanding may find it bound or not. */
  peerInvalidates(outstanding: readonly Posted[]): void {
    this.there = 'no';
    this.here = 'unsure';
    this.raced = true;
    for (const w of outstanding) {
      if (w.op === O.BIND_MW) w.may.push(W.MW_BIND_ERR);
      if (w.op === O.LOCAL_INV) w.may.push(W.LOC_QP_OP_ERR);
    }
  }

  /** The owner has received the peer's invalidation. */
  invalidated(): void {
    if (this.pending === 0) this.here = this.there = 'no';
  }

  /** A request of the peer through it: fails if it is surely not bound, may fail if that is not known. */
  used(p: Posted, ...statuses: number[]): void {
    if (this.there !== 'yes') p[this.there === 'no' ? 'must' : 'may'].push(...statuses);
  }
}
