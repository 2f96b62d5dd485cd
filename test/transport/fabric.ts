// Devices on a simulated network: real driver, real core, virtual time. A seed gives the same run again.
import { Access, QpAttrMask, QpState, QpType, SendFlags } from '../../src/core/constants.ts';
import type { AsyncEvent, Context } from '../../src/core/context.ts';
import type { CompletionQueue } from '../../src/core/cq.ts';
import { gidFromAddress } from '../../src/core/gid-text.ts';
import { LocalMemory } from '../../src/core/memory.ts';
import type { MemoryRegion } from '../../src/core/mr.ts';
import type { ProtectionDomain } from '../../src/core/pd.ts';
import type { QpAttr, QpCap, QueuePair } from '../../src/core/qp.ts';
import type { SharedReceiveQueue } from '../../src/core/srq.ts';
import * as verbs from '../../src/core/verbs.ts';
import { RecvWr, SendWr, type WorkCompletion } from '../../src/core/work.ts';
import { Rxe } from '../../src/drivers/rxe/driver.ts';
import { Simulation, type SimulationOptions } from '../../src/link/sim.ts';
import type { SimLink, SimNodeOptions } from '../../src/link/sim-link.ts';
import type { SimTimer } from '../../src/link/sim-timer.ts';
import type { SoftQp } from '../../src/transport/qp.ts';

const A = QpAttrMask;
export const ALL_ACCESS: number =
  Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_READ | Access.REMOTE_ATOMIC | Access.MW_BIND;
/** Time a node takes to look at what has arrived. */
const STEP_US = 0.1;

export interface ConnectAttr extends Partial<QpAttr> {
  readonly mtu?: number;
}

/** A host of the fabric: one device, one context, one PD. */
export class Node {
  readonly sim: Simulation;
  readonly link: SimLink;
  readonly rxe: Rxe;
  readonly context: Context;
  readonly pd: ProtectionDomain;
  readonly events: AsyncEvent[] = [];
  private scheduled = false;
  private timer: SimTimer | null = null;
  private timerAt = Number.POSITIVE_INFINITY;

  constructor(sim: Simulation, address: string, options: SimNodeOptions) {
    this.sim = sim;
    this.link = sim.node(address, options);
    this.rxe = new Rxe({ link: this.link, clock: sim.clock, random: (below) => Math.floor(sim.random() * below) });
    this.context = verbs.openContext(this.rxe.device, { owner: address });
    this.context.onAsyncEvent = (event) => void this.events.push(event);
    this.pd = verbs.allocPd(this.context);
    this.link.onArrival = () => this.schedule();
  }

  /** Lets the engine run soon, and again for as long as it has something to do. */
  schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.sim.at(STEP_US, () => this.step());
  }

  private step(): void {
    this.scheduled = false;
    const { engine } = this.rxe;
    engine.progress();
    if (!engine.idle) this.schedule();
    const due = engine.nextDeadline;
    if (due >= this.timerAt && this.timerAt > this.sim.now) return;
    this.timer?.cancel();
    this.timerAt = due;
    this.timer = due === Number.POSITIVE_INFINITY ? null : this.sim.at(due - this.sim.now + STEP_US, () => this.step());
  }

  regMr(
    bytes: number | Buffer,
    access: number = ALL_ACCESS,
    iova = 0x100000,
  ): MemoryRegion & { readonly bytes: Buffer } {
    const buffer = typeof bytes === 'number' ? Buffer.from(new ArrayBuffer(bytes)) : bytes;
    return Object.assign(verbs.regMr(this.pd, new LocalMemory(buffer), { access, iova }), { bytes: buffer });
  }

  createCq(cqe = 1024): CompletionQueue {
    return verbs.createCq(this.context, cqe);
  }

  createQp(
    type: number = QpType.RC,
    cq: CompletionQueue = this.createCq(),
    cap: Partial<QpCap> = {},
    srq: SharedReceiveQueue | null = null,
    recvCq: CompletionQueue = cq,
  ): SoftQp {
    const whole = { maxSendWr: 64, maxRecvWr: 64, maxSendSge: 4, maxRecvSge: 4, maxInlineData: 64, ...cap };
    return verbs.createQp(this.pd, { type, sendCq: cq, recvCq, srq, cap: whole }) as SoftQp;
  }

  send(qp: QueuePair, request: Partial<SendWr> & { opcode: number }): void {
    const wr = new SendWr();
    Object.assign(wr, { flags: SendFlags.SIGNALED }, request);
    wr.numSge = wr.sge.length;
    this.rxe.device.ops.postSend(qp, wr);
    this.schedule();
  }

  recv(queue: QueuePair | SharedReceiveQueue, request: Partial<RecvWr>): void {
    const wr = Object.assign(new RecvWr(), request);
    wr.numSge = wr.sge.length;
    const { ops } = this.rxe.device;
    if (queue.kind === 'srq') ops.postSrqRecv(queue, wr);
    else ops.postRecv(queue, wr);
    this.schedule();
  }

  modify(qp: QueuePair, attr: Partial<QpAttr>, mask: number): void {
    verbs.modifyQp(qp, attr, mask);
    this.schedule();
  }

  poll(cq: CompletionQueue, max = 65536): WorkCompletion[] {
    const out: WorkCompletion[] = [];
    out.length = this.rxe.device.ops.pollCq(cq, max, out);
    return out;
  }
}

/** A simulated network of nodes. */
export class Fabric {
  readonly sim: Simulation;
  private readonly nodes: Node[] = [];

  constructor(options: SimulationOptions = {}) {
    this.sim = new Simulation({ latencyUs: 2, ...options });
  }

  /** IPv6 addresses: a receiver checks their ICRC whole, while IPv4's identification is not to be seen. */
  node(options: SimNodeOptions = {}, address?: string): Node {
    const n = this.nodes.length + 1;
    const node = new Node(this.sim, address ?? `fd00::${n.toString(16)}`, { window: 256 * 1024, ...options });
    this.nodes.push(node);
    return node;
  }

  run(us = 10_000_000): void {
    this.sim.run(this.sim.now + us);
  }

  close(): void {
    for (const node of this.nodes) {
      verbs.closeContext(node.context);
      node.rxe.close();
    }
  }
}

export function addressVector(to: Node): QpAttr['av'] {
  return {
    dgid: gidFromAddress(to.link.addresses[0].bytes),
    sgidIndex: 0,
    trafficClass: 0,
    hopLimit: 64,
    flowLabel: 0,
    port: 1,
    sl: 0,
    dlid: 0,
  };
}

/** Connects two RC or UC queue pairs; `attr` overrides what both get. */
export function connect(a: Node, qa: QueuePair, b: Node, qb: QueuePair, attr: Partial<QpAttr> = {}): void {
  toRts(a, qa, b, qb.qpn, attr);
  toRts(b, qb, a, qa.qpn, attr);
}

export function toRts(node: Node, qp: QueuePair, peer: Node, destQpn: number, given: Partial<QpAttr> = {}): void {
  const rc = qp.type === QpType.RC;
  const attr: Partial<QpAttr> = {
    pkeyIndex: 0,
    port: 1,
    accessFlags: rc ? Access.REMOTE_WRITE | Access.REMOTE_READ | Access.REMOTE_ATOMIC : Access.REMOTE_WRITE,
    av: addressVector(peer),
    pathMtu: 3,
    destQpn,
    rqPsn: 0xfffff0,
    maxDestRdAtomic: 4,
    minRnrTimer: 1,
    sqPsn: 0xfffff0,
    timeout: 8,
    retryCnt: 7,
    rnrRetry: 7,
    maxRdAtomic: 4,
    ...given,
  };
  const rtr = A.STATE | A.AV | A.PATH_MTU | A.DEST_QPN | A.RQ_PSN | (rc ? A.MAX_DEST_RD_ATOMIC | A.MIN_RNR_TIMER : 0);
  const rts = A.STATE | A.SQ_PSN | (rc ? A.TIMEOUT | A.RETRY_CNT | A.RNR_RETRY | A.MAX_QP_RD_ATOMIC : 0);
  node.modify(qp, { ...attr, state: QpState.INIT }, A.STATE | A.PKEY_INDEX | A.PORT | A.ACCESS_FLAGS);
  node.modify(qp, { ...attr, state: QpState.RTR }, rtr);
  node.modify(qp, { ...attr, state: QpState.RTS }, rts);
}

export function activateUd(node: Node, qp: QueuePair, qkey = 0x11111111): void {
  node.modify(qp, { state: QpState.INIT, pkeyIndex: 0, port: 1, qkey }, A.STATE | A.PKEY_INDEX | A.PORT | A.QKEY);
  node.modify(qp, { state: QpState.RTR }, A.STATE);
  node.modify(qp, { state: QpState.RTS, sqPsn: 7 }, A.STATE | A.SQ_PSN);
}

export const sge = (
  mr: MemoryRegion,
  offset: number,
  length: number,
): { addr: number; length: number; lkey: number } => ({
  addr: mr.iova + offset,
  length,
  lkey: mr.lkey,
});

/** Bytes that differ from place to place. */
export function fill(buffer: Buffer, seed = 1): Buffer {
  let x = seed * 2654435761;
  for (let i = 0; i < buffer.length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) | 0;
    buffer[i] = x >>> 16;
  }
  return buffer;
}
