// What a reliable connection may do, written from the verbs' semantics (IBTA vol. 1 chapters 9 to 11; ibv_post_send(3),
// ibv_poll_cq(3), ibv_modify_qp(3)) and apart from the implementation. It is told what the program does, and judges what is
// seen: completions and events here, memory and what is left at the end in rc-settled.ts and rc-memory.ts. Where the outcome is a race or the network's choice, it says
// what is allowed.
import { EventType, WrOpcode as O, WcStatus as W, WcFlags, WcOpcode } from '../../src/core/constants.ts';
import type { WorkCompletion } from '../../src/core/work.ts';
import { Window } from './rc-window.ts';
import {
  ATOMICS,
  COMPLETES_AS,
  consumes,
  demand,
  FETCHES,
  IMMEDIATE,
  ONE_SIDED,
  type Posted,
  RESPONDERS_FAULT,
  type Receive,
  SENDS,
  type SharedQueue,
  WINDOW,
  WRITES,
  type Wr,
} from './rc-wr.ts';

export interface Terms {
  /** Packets may be lost, so that retries may be used up. */
  readonly lossy: boolean;
  readonly rnrRetry: number;
}

/** One end of a connection. */
export class End {
  peer!: End;
  readonly terms: Terms;
  readonly sq: Posted[] = [];
  /** Send requests that have ended, in the order of posting. */
  done = 0;
  /** Those before it have succeeded. */
  succeeded = 0;
  sqError = false;
  readonly rq: Receive[] = [];
  readonly srq: SharedQueue | null;
  received = 0;
  rqDone = 0;
  rqError = false;
  manual = false;
  lastWqe = 0;
  /** This end's memory that the peer reaches, as it was when the connection was made, and whether it is still registered. */
  readonly image: Buffer;
  registered = true;
  readonly window = new Window();

  constructor(terms: Terms, image: Buffer, srq: SharedQueue | null) {
    this.terms = terms;
    this.image = Buffer.from(image);
    this.srq = srq;
  }

  // What the program does

  postSend(wr: Wr): void {
    const p: Posted = { ...wr, must: [], may: [] };
    const { peer } = this;
    const touches = wr.length > 0 || ATOMICS.includes(wr.op);
    if (!COMPLETES_AS.has(wr.op)) p.must.push(W.LOC_QP_OP_ERR);
    else if (ATOMICS.includes(wr.op) && wr.sgeLength < 8) p.must.push(W.LOC_LEN_ERR);
    else if (touches && !wr.sgeAllowed) p.must.push(W.LOC_PROT_ERR);
    // C9-88: the key of a request for no bytes is not looked at.
    if (ONE_SIDED.includes(wr.op) && touches) {
      if (wr.key === 'wrong' || !wr.inRange || !peer.registered) p.must.push(W.REM_ACCESS_ERR);
      else if (wr.key === 'window') peer.window.used(p, W.REM_ACCESS_ERR);
      if (!wr.aligned) p.must.push(W.REM_INV_REQ_ERR);
    }
    if (wr.op === O.SEND_WITH_INV) {
      if (wr.key === 'wrong') p.must.push(W.REM_ACCESS_ERR, W.REM_INV_REQ_ERR);
      else peer.window.used(p, W.REM_ACCESS_ERR, W.REM_INV_REQ_ERR);
      peer.window.peerInvalidates(peer.sq.slice(peer.done));
      // Without a fence it may overtake the answer to a READ (IBTA table 79).
      const reads = wr.fence ? [] : this.sq.slice(this.done).filter((w) => w.op === O.RDMA_READ && w.key === 'window');
      for (const w of reads) w.may.push(W.REM_ACCESS_ERR);
    }
    if (WINDOW.includes(wr.op)) {
      this.window.posted(p, this.registered);
      const users = peer.sq.slice(peer.succeeded).filter((w) => w.key === 'window');
      for (const w of users) w.may.push(W.REM_ACCESS_ERR, W.REM_INV_REQ_ERR);
    }
    const before = this.sq.filter(consumes).length;
    if (consumes(p) && this.terms.rnrRetry !== 7 && (peer.srq !== null || peer.rq.length <= before)) {
      p.may.push(W.RNR_RETRY_EXC_ERR);
    }
    this.sq.push(p);
  }

  /** The program deregistered what request `id` names, or (without one) what the peer reaches. */
  deregister(id?: number): void {
    const own =
      id === undefined
        ? this.sq.slice(this.done).filter((w) => w.op === O.BIND_MW)
        : this.sq.filter((w) => w.id === id);
    for (const w of own) w.may.push(id === undefined ? W.MW_BIND_ERR : W.LOC_PROT_ERR);
    if (id !== undefined) return;
    this.registered = false;
    for (const w of this.peer.sq.slice(this.peer.succeeded)) if (ONE_SIDED.includes(w.op)) w.may.push(W.REM_ACCESS_ERR);
  }

  // What may be

  private receiveOf(w: Posted): Receive | undefined {
    return this.peer.srq === null ? this.peer.rq[this.sq.filter(consumes).indexOf(w)] : undefined;
  }

  /** Statuses one of which the request must end in when its turn comes; none: it succeeds. */
  private fate(w: Posted): number[] {
    const must = [...w.must];
    const receive = SENDS.includes(w.op) ? this.receiveOf(w) : undefined;
    if (receive !== undefined && w.length > receive.room) must.push(W.REM_INV_REQ_ERR);
    if (receive !== undefined && w.length > 0 && !receive.allowed) must.push(W.REM_OP_ERR);
    return must;
  }

  /** The first request that cannot succeed: nothing from there on does. */
  get limit(): number {
    const i = this.sq.findIndex((w) => this.fate(w).length > 0);
    return i < 0 ? this.sq.length : i;
  }

  /** Those from there on cannot reach the peer: what cannot take its answer in still asks, and others follow it. */
  get reach(): number {
    const asks = (w: Posted): boolean => FETCHES.includes(w.op) && this.fate(w).every((s) => s === W.LOC_PROT_ERR);
    const i = this.sq.findIndex((w) => this.fate(w).length > 0 && !asks(w));
    return i < 0 ? this.sq.length : i;
  }

  /** The peer's requests may bring this end down. */
  get refuses(): boolean {
    return this.peer.sq.some((w) => [...this.peer.fate(w), ...w.may].some((s) => RESPONDERS_FAULT.includes(s)));
  }

  /** This end may be in error without having refused anything. */
  private get failsAlone(): boolean {
    const own = this.sq.some((w) => this.fate(w).length + w.may.length > 0);
    return own || this.manual || (this.terms.lossy && this.sq.length > 0);
  }

  get mayFail(): boolean {
    return this.failsAlone || this.refuses || this.peer.failsAlone;
  }

  // What is seen

  sendCompletion(wc: WorkCompletion): Wr {
    const i = this.sq.findIndex((w) => w.id === wc.wrId);
    demand(i >= this.done, `request ${wc.wrId} completes once, in the order of posting, and only if it was posted`);
    const w = this.sq[i];
    const skipped = this.sq.slice(this.done, i);
    this.done = i + 1;
    if (!this.sqError) this.succeeded = wc.status === W.SUCCESS ? this.done : i;
    if (this.sqError) {
      demand(skipped.length === 0, `after an error each request is flushed, ${skipped[0]?.id} was not`);
      demand(wc.status === W.WR_FLUSH_ERR, `after an error request ${w.id} is flushed, not ${wc.status}`);
      return w;
    }
    demand(
      skipped.every((s) => !s.signaled),
      `signalled request ${skipped.find((s) => s.signaled)?.id} has no completion`,
    );
    demand(i - (wc.status === W.SUCCESS ? 0 : 1) < this.limit, `request ${w.id} cannot come after one that must fail`);
    if (wc.status === W.SUCCESS) {
      demand(w.signaled, `request ${w.id} asked for no completion`);
      demand(wc.opcode === COMPLETES_AS.get(w.op), `request ${w.id} has completion opcode ${wc.opcode}`);
      if (FETCHES.includes(w.op)) demand(wc.byteLen === w.length, `byte_len of request ${w.id}`);
      for (const s of [...skipped, w]) if (WINDOW.includes(s.op)) this.window.completed(s.op === O.BIND_MW);
      return w;
    }
    const allowed = [...this.fate(w), ...w.may];
    if (this.terms.lossy || this.peer.failsAlone) allowed.push(W.RETRY_EXC_ERR);
    if (this.manual || this.refuses) allowed.push(W.WR_FLUSH_ERR);
    demand(allowed.includes(wc.status), `request ${w.id} ends in status ${wc.status}, allowed: ${allowed.join(' ')}`);
    this.sqError = true;
    return w;
  }

  /** The request of the peer whose message it is; null for a receive request that ends in error. */
  receiveCompletion(wc: WorkCompletion): Wr | null {
    const receive = this.rq[this.rqDone];
    if (this.srq === null) demand(receive?.id === wc.wrId, `receive request ${receive?.id} comes before ${wc.wrId}`);
    else
      demand(
        this.srq.posted.includes(wc.wrId) && !this.srq.taken.has(wc.wrId),
        `SRQ request ${wc.wrId} completes once`,
      );
    this.srq?.taken.add(wc.wrId);
    this.rqDone++;
    const messages = this.peer.sq.filter(consumes);
    const w = messages[this.received];
    if (wc.status !== W.SUCCESS) {
      const allowed: number[] = this.mayFail ? [W.WR_FLUSH_ERR] : [];
      if (w !== undefined && !this.rqError) {
        if (receive !== undefined && w.length > receive.room) allowed.push(W.LOC_LEN_ERR);
        if (receive?.allowed === false) allowed.push(W.LOC_PROT_ERR);
        if (w.op === O.SEND_WITH_INV) allowed.push(W.LOC_ACCESS_ERR, W.REM_INV_REQ_ERR);
      }
      demand(
        allowed.includes(wc.status),
        `receive request ${wc.wrId} ends in ${wc.status}, allowed: ${allowed.join(' ')}`,
      );
      this.rqError = true;
      return null;
    }
    demand(!this.rqError, `receive request ${wc.wrId} succeeds after an error`);
    demand(w !== undefined, `receive request ${wc.wrId} got a message that nobody sent, or one for the second time`);
    const position = this.peer.sq.indexOf(w);
    demand(position < this.peer.reach, `message ${w.id} cannot arrive`);
    this.received++;
    const write = WRITES.includes(w.op);
    demand(wc.opcode === (write ? WcOpcode.RECV_RDMA_WITH_IMM : WcOpcode.RECV), `opcode of the receipt of ${w.id}`);
    demand(wc.byteLen === w.length, `byte_len ${wc.byteLen} of the receipt of ${w.id}, which has ${w.length}`);
    const flags = IMMEDIATE.includes(w.op) ? WcFlags.WITH_IMM : w.op === O.SEND_WITH_INV ? WcFlags.WITH_INV : 0;
    demand(wc.flags === flags, `flags ${wc.flags} of the receipt of ${w.id}`);
    if (flags !== 0) demand(wc.imm === w.imm, `immediate data or key of the receipt of ${w.id}`);
    if (flags === WcFlags.WITH_INV) this.window.invalidated();
    return w;
  }

  event(type: number): void {
    const { QP_ACCESS_ERR, QP_REQ_ERR, QP_LAST_WQE_REACHED } = EventType;
    if (type === QP_ACCESS_ERR || type === QP_REQ_ERR) demand(this.refuses, `event ${type} without a cause`);
    else if (type !== QP_LAST_WQE_REACHED) demand(false, `event ${type}`);
    else
      demand(this.srq !== null && this.mayFail && this.lastWqe++ === 0, 'LAST_WQE_REACHED once, with an SRQ, in error');
  }

  /** Receive requests that must still be posted for all messages to arrive. */
  get owed(): number {
    return this.peer.sq.filter(consumes).length - (this.srq === null ? this.rq.length : this.received);
  }
}
