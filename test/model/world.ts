// Carries a scenario out on the real driver over a simulated network, and has the model judge all that can be seen of it.
import { MwType, QpAttrMask, QpState, QpType, WcStatus } from '../../src/core/constants.ts';
import type { CompletionQueue } from '../../src/core/cq.ts';
import type { SharedReceiveQueue } from '../../src/core/srq.ts';
import * as verbs from '../../src/core/verbs.ts';
import type { WorkCompletion } from '../../src/core/work.ts';
import type { SoftQp } from '../../src/transport/qp.ts';
import { bthOpcode, bthPsn, bthQpn } from '../../src/wire/bth.ts';
import { OPF_REQUEST, opcodeFlags } from '../../src/wire/opcodes.ts';
import { Fabric, fill, type Node, toRts } from '../transport/fabric.ts';
import { checkFetched, checkMemory } from './rc-memory.ts';
import { End } from './rc-model.ts';
import { checkSettled } from './rc-settled.ts';
import { demand, FETCHES, SENDS, SharedQueue } from './rc-wr.ts';
import { GUARD, type Half, INLINE_ROOM, type Post, pieces, type Region, requestOf } from './requests.ts';
import { type Act, CELLS, ROOM, type Scenario, STORE } from './scenario.ts';
import { tap } from './tap.ts';

const RETRY_CNT = 7;
export interface Outcome {
  completions: number;
  /** Requests that ended in error, other than flushed. */
  errors: number;
  retriesExceeded: number;
}

class World {
  readonly outcome: Outcome = { completions: 0, errors: 0, retriesExceeded: 0 };
  private readonly s: Scenario;
  private readonly fabric: Fabric;
  private readonly nodes: Node[];
  private readonly queues: (SharedQueue | null)[];
  private readonly srqs: (SharedReceiveQueue | null)[];
  private readonly halves: Half[][] = [];
  private readonly byQpn: Map<number, Half>[] = [new Map(), new Map()];
  private readonly cqs: Set<CompletionQueue>[] = [new Set(), new Set()];
  private readonly buffers = new Map<number, Region>();
  private readonly receives = new Set<number>();
  /** How often each request packet was sent, by QP it is for and PSN. */
  private readonly attempts = new Map<number, Map<number, number>>();
  private lastId = 0;
  private resets = 0;

  constructor(s: Scenario) {
    this.s = s;
    const { seed, loss, duplicate, reorder, corrupt, jitterUs, window } = s;
    this.fabric = new Fabric({ seed, loss, duplicate, reorder, corrupt, jitterUs });
    this.nodes = [this.fabric.node({ window }), this.fabric.node({ window })];
    for (const { rxe } of this.nodes) rxe.engine.announceCredits = s.credits;
    this.queues = s.srq.map((shared) => (shared ? new SharedQueue() : null));
    this.srqs = this.nodes.map(({ pd }, side) =>
      s.srq[side] ? verbs.createSrq(pd, { maxWr: 1000, maxSge: 4, limit: 0 }) : null,
    );
    const shared = this.nodes.map((n) => n.createCq(8192));
    tap(this.fabric.sim, (_, { buf }) => this.sent(buf));
    for (let i = 0; i < s.qps; i++) {
      const pair = this.nodes.map((node, side) => this.half(node, side, s.sharedCq ? shared[side] : null));
      [pair[0].peer, pair[1].peer] = [pair[1], pair[0]];
      this.halves.push(pair);
      this.connect(pair, 0xfffff0);
    }
  }

  private sent(buf: Buffer): void {
    if ((opcodeFlags[bthOpcode(buf, 0)] & OPF_REQUEST) === 0) return;
    const qpn = bthQpn(buf, 0);
    const times = this.attempts.get(qpn) ?? new Map<number, number>();
    this.attempts.set(qpn, times.set(bthPsn(buf, 0), (times.get(bthPsn(buf, 0)) ?? 0) + 1));
  }

  private half(node: Node, side: number, cq: CompletionQueue | null): Half {
    const [sendCq, recvCq] = [cq ?? node.createCq(8192), cq ?? node.createCq(8192)];
    const cap = { maxSendWr: 100, maxRecvWr: 200, maxSendSge: 4, maxRecvSge: 4, maxInlineData: INLINE_ROOM };
    const queues = { type: QpType.RC, sendCq, recvCq, srq: this.srqs[side], cap, sqSigAll: this.s.signalAll };
    const qp = verbs.createQp(node.pd, queues) as SoftQp;
    this.cqs[side].add(sendCq).add(recvCq);
    const store = node.regMr(fill(Buffer.alloc(STORE), qp.qpn).fill(0, CELLS));
    const mw = verbs.allocMw(node.pd, MwType.TYPE_2);
    const half = { node, side, qp, store, mw, windowKey: mw.rkey, source: null } as unknown as Half;
    this.byQpn[side].set(qp.qpn, half);
    return half;
  }

  private connect(pair: Half[], psn: number): void {
    for (const h of pair) {
      const terms = { lossy: this.s.loss + this.s.corrupt + this.s.reorder > 0, rnrRetry: this.s.rnrRetry };
      h.model = new End(terms, h.store.bytes, this.queues[h.side]);
      this.attempts.delete(h.qp.qpn);
    }
    const { maxRdAtomic, rnrRetry, pathMtu } = this.s;
    const timeout = this.needsTimer() ? 8 : 0;
    for (const h of pair) {
      h.model.peer = h.peer.model;
      const depth = { maxRdAtomic, maxDestRdAtomic: maxRdAtomic, rnrRetry, retryCnt: RETRY_CNT };
      toRts(h.node, h.qp, h.peer.node, h.peer.qp.qpn, { ...depth, pathMtu, rqPsn: psn, sqPsn: psn, timeout });
    }
  }

  /** A timer is for what the network loses, and for a peer that answers no more. */
  private needsTimer(): boolean {
    const { ackTimer, careful, loss, corrupt, reorder, rnrRetry } = this.s;
    return ackTimer || !careful || rnrRetry !== 7 || loss + corrupt + reorder > 0;
  }

  run(): Outcome {
    for (const act of this.s.acts) this.act(act);
    this.advance(100);
    this.replenish();
    this.advance(60_000_000);
    this.settled();
    this.fabric.close();
    return this.outcome;
  }

  private act(act: Act): void {
    if (act.act === 'wait') return this.advance(act.us);
    const pair = this.halves[act.qp % this.halves.length];
    if (act.act === 'reset') return this.reset(pair);
    const half = pair[act.side];
    if (act.act === 'post') this.post(half, act);
    else if (act.act === 'recv') this.recv(half, act.room, act.allowed);
    else if (act.act === 'dereg') this.deregister(half);
    else if (act.act === 'deregSource') {
      if (half.source === null) return;
      verbs.deregMr(half.source.mr);
      half.model.deregister(half.source.id);
      half.source = null;
    } else {
      half.model.manual = true;
      half.node.modify(half.qp, { state: QpState.ERR }, QpAttrMask.STATE);
    }
  }

  // Posting

  private post(half: Half, given: Post): void {
    let p = given;
    const { node, qp, peer, model } = half;
    const local = p.op === 'bind' || p.op === 'invalidate';
    if (local && model.window.pending > 0) return;
    if (this.s.careful) {
      if (p.op === 'bind' && model.window.here !== 'no') return;
      const used = peer.model.sq.slice(peer.model.done).some((w) => w.key === 'window');
      if (p.op === 'invalidate' && (used || model.window.here !== 'yes')) return;
      if (peer.model.window.there !== 'yes') p = { ...p, op: p.op === 'sendInv' ? 'send' : p.op, window: false };
    }
    const id = ++this.lastId;
    const { wr, request, mr, named } = requestOf(half, p, id, this.s.signalAll);
    model.postSend(wr);
    this.buffers.set(id, mr);
    half.source = named ? { id, mr } : null;
    node.send(qp, request);
    this.collect();
  }

  private recv(half: Half, wanted: number, allowed: boolean): void {
    const { node, qp, side, model } = half;
    const queue = this.queues[side];
    const [room, good] = queue === null ? [wanted, allowed] : [ROOM, true];
    const id = ++this.lastId;
    const mr = node.regMr(room + GUARD);
    const list = pieces(mr, room, 1 + (id % 3));
    if (!good) for (const s of list) s.lkey = 0x99;
    this.receives.add(id);
    this.buffers.set(id, mr);
    if (queue === null) model.rq.push({ id, room, allowed: good });
    else queue.posted.push(id);
    node.recv(this.srqs[side] ?? qp, { wrId: id, sge: list });
    this.collect();
  }

  private deregister(half: Half): void {
    if (!half.model.registered) return;
    try {
      verbs.deregMr(half.store);
    } catch (error) {
      demand((error as { code?: string }).code === 'EBUSY' && half.mw.mr !== null, `deregMr: ${error}`);
      return;
    }
    half.model.deregister();
  }

  /** Both ends begin anew, when what was on its way has arrived nowhere. */
  private reset(pair: Half[]): void {
    this.collect();
    for (const h of pair) h.node.modify(h.qp, { state: QpState.RESET }, QpAttrMask.STATE);
    this.resets++;
    this.advance(5000);
    for (const h of pair) {
      verbs.deallocMw(h.mw);
      h.mw = verbs.allocMw(h.node.pd, MwType.TYPE_2);
      h.windowKey = h.mw.rkey;
      if (!h.model.registered) h.store = h.node.regMr(h.store.bytes);
      h.source = null;
    }
    this.connect(pair, (this.s.seed + this.lastId * 7919) & 0xffffff);
  }

  // Seeing

  private advance(us: number): void {
    this.fabric.run(us);
    this.collect();
  }

  private collect(): void {
    for (const [side, node] of this.nodes.entries()) {
      for (const cq of this.cqs[side]) for (const wc of node.poll(cq)) this.completed(side, wc);
      for (const { type, object } of node.events.splice(0)) {
        const half = object?.kind === 'qp' ? this.byQpn[side].get((object as SoftQp).qpn) : undefined;
        demand(half !== undefined, `event ${type} for no queue pair`);
        half.model.event(type);
      }
    }
  }

  private completed(side: number, wc: WorkCompletion): void {
    const half = this.byQpn[side].get(wc.qpn);
    demand(half !== undefined, `a completion for QP ${wc.qpn}, which the node does not have`);
    this.outcome.completions++;
    const bytes = this.buffers.get(wc.wrId)?.bytes ?? Buffer.alloc(GUARD);
    if (this.receives.has(wc.wrId)) {
      const w = half.model.receiveCompletion(wc);
      if (w === null) return;
      if (SENDS.includes(w.op)) demand(bytes.subarray(0, w.length).equals(w.data), `bytes of message ${w.id}`);
      const rest = bytes.subarray(SENDS.includes(w.op) ? w.length : 0);
      demand(
        rest.every((b) => b === 0),
        `bytes behind message ${w.id}`,
      );
      return;
    }
    const w = half.model.sendCompletion(wc);
    if (wc.status !== WcStatus.SUCCESS && wc.status !== WcStatus.WR_FLUSH_ERR) this.outcome.errors++;
    if (wc.status === WcStatus.RETRY_EXC_ERR) this.exhausted(half, RETRY_CNT);
    if (wc.status === WcStatus.RNR_RETRY_EXC_ERR) this.exhausted(half, this.s.rnrRetry + 1);
    if (wc.status !== WcStatus.SUCCESS || !FETCHES.includes(w.op)) return;
    checkFetched(half.model, w.id, bytes.subarray(0, w.length));
    demand(
      bytes.subarray(w.length).every((b) => b === 0),
      `bytes behind the answer to ${w.id}`,
    );
  }

  /** retry_cnt and rnr_retry are how often it is tried again before giving up (ibv_modify_qp(3)). */
  private exhausted(half: Half, least: number): void {
    this.outcome.retriesExceeded++;
    const most = Math.max(0, ...(this.attempts.get(half.peer.qp.qpn)?.values() ?? []));
    demand(most >= least, `retries are used up, and no packet was sent more than ${most} times`);
  }

  private replenish(): void {
    for (const half of this.halves.flat()) {
      for (let n = half.model.owed; n > 0; n--) this.recv(half, ROOM, true);
    }
  }

  private settled(): void {
    for (const half of this.halves.flat()) checkSettled(half.model, half.qp.state);
    for (const half of this.halves.flat()) checkMemory(half.model, half.peer.store.bytes);
    for (const queue of this.queues)
      queue?.settled(this.resets + this.halves.flat().filter((h) => h.model.sqError).length);
  }
}

/** Throws a `Violation` when the model does not allow what happened. */
export function play(scenario: Scenario): Outcome {
  return new World(scenario).run();
}
