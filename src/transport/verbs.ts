// Software verbs: the verbs of a device whose "hardware" only moves packets. A driver (rxe, and later hfi1 and qib) brings a
// port and takes these as its own, as Linux's rdmavt was meant to be shared.
import type { AddressVector } from '../core/ah.ts';
import { mtuBytes, QpAttrMask, QpState, QpType, SrqAttrMask } from '../core/constants.ts';
import type { Context } from '../core/context.ts';
import { Armed, type CompletionChannel, type CompletionQueue } from '../core/cq.ts';
import type { DriverOps } from '../core/driver.ts';
import { VerbsError } from '../core/errors.ts';
import type { ProtectionDomain } from '../core/pd.ts';
import { MigState, type QpAttr, type QpInit, type QueuePair } from '../core/qp.ts';
import { applyAttr } from '../core/qp-attr.ts';
import type { SharedReceiveQueue, SrqAttr } from '../core/srq.ts';
import { type RecvWr, type SendWr, WorkCompletion } from '../core/work.ts';
import { BTH_MIG } from '../wire/bth.ts';
import { SoftAh } from './ah.ts';
import { SoftCq } from './cq.ts';
import type { Engine } from './engine.ts';
import { unbind } from './local-ops.ts';
import { InMessage, SlotState, SoftQp } from './qp.ts';
import { SoftSrq } from './recv-queue.ts';
import { produceRecv, produceSend } from './wqe.ts';

export type SoftOps = Omit<DriverOps, 'queryDevice' | 'queryPort' | 'attachMcast' | 'detachMcast'>;

export interface SoftVerbsOptions {
  /** Path MTU of datagrams: the port's active MTU, in bytes. */
  readonly mtu: number;
  /** Random number below a bound: the first QPN is drawn, so that packets for an earlier life of the device meet no QP. */
  readonly random: (below: number) => number;
}

const makeCompletion = (): WorkCompletion => new WorkCompletion();
/** Queue pair 1 is the port's general services interface. */
const GSI_QPN = 1;
const FIRST_QPN = 0x10;
const QPNS = 0xffffff - FIRST_QPN;

/** The verbs over `engine`. */
export function softVerbs(engine: Engine, options: SoftVerbsOptions): SoftOps {
  const { mtu } = options;
  let lastQpn = options.random(QPNS) | 0;
  let lastAh = 0;

  const newQpn = (): number => {
    do lastQpn = (lastQpn + 1) % QPNS;
    while (engine.qps.has(FIRST_QPN + lastQpn));
    return FIRST_QPN + lastQpn;
  };

  return {
    allocPd: () => {},
    deallocPd: () => {},

    // The core keeps the table of keys; registration leaves nothing for software to do.
    regMr: () => {},
    deregMr: () => {},
    reregMr: () => {},
    allocMw: () => {},
    deallocMw: unbind,

    createCq(context: Context, cqe: number, channel: CompletionChannel | null): CompletionQueue {
      return new SoftCq(context, cqe, channel, (cq) => engine.overrun(cq));
    },
    destroyCq: () => {},
    resizeCq(cq: CompletionQueue, cqe: number): void {
      const soft = cq as SoftCq;
      const ring = soft.ring.resized(cqe, cq.context.queueMemory);
      if (ring === null) {
        throw new VerbsError(
          'resizeCq',
          'EINVAL',
          `${soft.ring.count} completions wait in the CQ; poll them, or ask for more`,
        );
      }
      soft.ring = ring;
      soft.cqe = ring.mask;
    },
    pollCq(cq: CompletionQueue, max: number, into: WorkCompletion[]): number {
      return (cq as SoftCq).poll(max, into, makeCompletion);
    },
    reqNotifyCq(cq: CompletionQueue, solicitedOnly: boolean): boolean {
      // An armed "any" is not weakened by a later "solicited" (ibv_req_notify_cq).
      if (cq.armed !== Armed.NEXT) cq.armed = solicitedOnly ? Armed.SOLICITED : Armed.NEXT;
      return !(cq as SoftCq).isEmpty;
    },

    createQp(init: QpInit): QueuePair {
      const qp = new SoftQp(init, init.cap.maxSendSge);
      qp.qpn = init.type === QpType.GSI ? GSI_QPN : newQpn();
      qp.mtu = mtu;
      engine.qps.set(qp.qpn, qp);
      return qp;
    },
    modifyQp(qp: QueuePair, attr: Partial<QpAttr>, mask: number): void {
      modify(engine, qp as SoftQp, attr, mask);
    },
    queryQp(qp: QueuePair): QpAttr {
      return { ...qp.attr, curState: qp.attr.state };
    },
    destroyQp(qp: QueuePair): void {
      const soft = qp as SoftQp;
      engine.qps.delete(soft.qpn);
      engine.quiesce(soft);
      soft.attr.state = QpState.RESET;
    },
    postSend(qp: QueuePair, wr: SendWr, more = false): void {
      const soft = qp as SoftQp;
      const state = soft.attr.state;
      // IBTA 10.3.1: below RTS the send queue takes nothing.
      if (state < QpState.RTS) {
        throw new VerbsError(
          'postSend',
          'EINVAL',
          'the QP is not in state RTS yet; modify it through INIT and RTR first',
        );
      }
      produceSend(soft.sq, wr, soft.cap.maxSendSge, soft.cap.maxInlineData);
      if (!more) engine.doorbell(soft);
    },
    postRecv(qp: QueuePair, wr: RecvWr): void {
      const soft = qp as SoftQp;
      if (soft.rq === null) {
        throw new VerbsError('postRecv', 'EINVAL', 'the QP receives from an SRQ; post to that');
      }
      // C10-97.2.1: receive requests are taken from INIT on.
      if (soft.attr.state === QpState.RESET) {
        throw new VerbsError('postRecv', 'EINVAL', 'the QP is in state RESET; modify it to INIT first');
      }
      produceRecv(soft.rq, wr, soft.cap.maxRecvSge);
      engine.recvPosted(soft);
    },

    createSrq(pd: ProtectionDomain, attr: SrqAttr): SharedReceiveQueue {
      return new SoftSrq(pd, attr);
    },
    modifySrq(srq: SharedReceiveQueue, attr: Partial<SrqAttr>, mask: number): void {
      const soft = srq as SoftSrq;
      if (mask & SrqAttrMask.MAX_WR) {
        const ring = soft.ring.resized(attr.maxWr ?? 0, srq.context.queueMemory);
        if (ring === null)
          throw new VerbsError('modifySrq', 'EINVAL', `${soft.ring.count} work requests wait in the SRQ`);
        soft.ring = ring;
        soft.attr.maxWr = ring.mask;
      }
      if (mask & SrqAttrMask.LIMIT) soft.attr.limit = attr.limit ?? 0;
    },
    querySrq: (srq: SharedReceiveQueue) => ({ ...srq.attr }),
    destroySrq: () => {},
    postSrqRecv(srq: SharedReceiveQueue, wr: RecvWr): void {
      const soft = srq as SoftSrq;
      produceRecv(soft.ring, wr, soft.attr.maxSge);
    },

    createAh(pd: ProtectionDomain, av: AddressVector) {
      const ah = new SoftAh(pd, av, engine.port.pathTo(av, false), ++lastAh);
      engine.ahs.set(ah.number, ah);
      return ah;
    },
    queryAh: (ah) => ah.av,
    destroyAh(ah): void {
      engine.ahs.delete((ah as SoftAh).number);
    },
  };
}

/** Applies a modification that the core has found allowed. */
function modify(engine: Engine, qp: SoftQp, attr: Partial<QpAttr>, mask: number): void {
  const a = qp.attr;
  const M = QpAttrMask;
  // The state is entered last, and by its own rules.
  applyAttr(qp, attr, mask & ~M.STATE);
  if (mask & M.AV) {
    engine.requester.takePath(qp, engine.port.pathTo(a.av!, qp.type !== QpType.UD));
  }
  if (mask & M.PATH_MTU) qp.mtu = mtuBytes(a.pathMtu);
  if (mask & M.RQ_PSN) qp.ePsn = a.rqPsn;
  if (mask & M.SQ_PSN) {
    qp.sqPsn = a.sqPsn;
    qp.una = a.sqPsn;
    qp.sndMax = a.sqPsn;
    qp.nextPsn = a.sqPsn;
  }
  // C9-140: 4.096 microseconds times two to the value; 0 switches the timer off.
  if (mask & M.TIMEOUT) qp.timeoutUs = a.timeout === 0 ? 0 : 4.096 * 2 ** a.timeout;
  if (mask & M.RETRY_CNT) qp.retryLeft = a.retryCnt;
  if (mask & M.RNR_RETRY) qp.rnrLeft = a.rnrRetry;
  if (mask & M.PATH_MIG_STATE) qp.mig = a.pathMigState === MigState.MIGRATED ? BTH_MIG : 0;
  if (mask & M.MAX_QP_RD_ATOMIC) qp.resizeReads(a.maxRdAtomic);
  if (mask & M.STATE) enter(engine, qp, attr.state!);
}

function enter(engine: Engine, qp: SoftQp, state: number): void {
  switch (state) {
    case QpState.RESET:
      reset(engine, qp);
      return;
    case QpState.ERR:
      engine.enterError(qp);
      return;
    case QpState.SQD:
      qp.attr.state = state;
      qp.attr.sqDraining = true;
      engine.drained(qp);
      return;
    case QpState.RTS:
      qp.attr.state = state;
      qp.attr.sqDraining = false;
      engine.activate(qp);
      return;
    default:
      qp.attr.state = state;
  }
}

/** IBTA 10.3.1: as it was created; what was posted is forgotten, without completions. */
function reset(engine: Engine, qp: SoftQp): void {
  engine.quiesce(qp);
  qp.attr.state = QpState.RESET;
  qp.sq.consumer = qp.sq.producer;
  qp.sqNext = qp.sq.producer;
  qp.sqFresh = qp.sqNext;
  qp.cursor = 0;
  qp.attr.pathMigState = MigState.MIGRATED;
  qp.mig = BTH_MIG;
  qp.slots.fill(SlotState.FRESH);
  qp.goneBack = false;
  qp.timedPsn = -1;
  qp.slow = false;
  qp.pace = null;
  qp.cutWindow = null;
  qp.notificationDue = false;
  qp.credits = -1;
  qp.sendsOut = 0;
  if (qp.rq !== null) qp.rq.consumer = qp.rq.producer;
  qp.recv.active = false;
  qp.inMessage = InMessage.NONE;
  qp.msn = 0;
  qp.nakSent = false;
  qp.respStopped = false;
  qp.established = false;
  qp.atomics = [];
  qp.atomicsNext = 0;
  if (qp.type !== QpType.UD) qp.path = null;
}
