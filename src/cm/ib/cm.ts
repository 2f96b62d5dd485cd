// The communication manager of one device (IBTA vol. 1 chapter 12): what its users call. No I/O and no clock of its own: MADs go
// through a port, time is asked for, and progress() is called when nextDeadline has come.
import { VerbsError } from '../../core/errors.ts';
import { RTU_PRIVATE_LEN } from '../../wire/cm-connect.ts';
import { DREP_PRIVATE_LEN, DREQ_PRIVATE_LEN } from '../../wire/cm-disconnect.ts';
import { type CmMessage, encodeCm, parseCm } from '../../wire/cm-message.ts';
import { MRA_PRIVATE_LEN, RejReason } from '../../wire/cm-refuse.ts';
import { SIDR_REP_PRIVATE_LEN, SIDR_REQ_PRIVATE_LEN, SidrStatus } from '../../wire/cm-sidr.ts';
import { WireError } from '../../wire/error.ts';
import type { MadAddress, MadPort } from '../mad-port.ts';
import { avOf, madAddressOf, type PathRecord } from '../path.ts';
import type { IbCmEvent, IbCmHandler, Verdict } from './events.ts';
import type { IbCmId } from './id.ts';
import { IdTable } from './id-table.ts';
import {
  answeredIn,
  checkPrivate,
  type RepParam,
  type ReqParam,
  rejOf,
  repOf,
  reqOf,
  type SidrRepParam,
  sidrRepOf,
} from './messages.ts';
import { CmReceiver } from './receiver.ts';
import { type CmInput, type CmState, transition } from './states.ts';
import { ackTimeoutOf, cmTimeUs } from './time.ts';
import { CmTimers } from './timers.ts';

export interface IbCmOptions {
  readonly port: MadPort;
  /** Microseconds that only go forward. */
  readonly clock: () => number;
  /** Random number below a bound: communication ids are drawn. */
  readonly random: (below: number) => number;
  /** How long the device takes to acknowledge: 4.096 µs times two to this (`local_ca_ack_delay`). Default 15, as rxe. */
  readonly caAckDelay?: number;
  /** Communications at a time, those in TIMEWAIT included; requests beyond are dropped. Default 65536. */
  readonly limit?: number;
}

export interface SidrReqParam {
  readonly serviceId: bigint;
  readonly path: PathRecord;
  readonly timeoutUs: number;
  readonly maxCmRetries: number;
  readonly privateData?: Uint8Array;
}

const WAITING: ReadonlySet<CmState> = new Set<CmState>([
  'REQ_SENT',
  'MRA_REQ_RCVD',
  'REP_SENT',
  'MRA_REP_RCVD',
  'DREQ_SENT',
  'SIDR_REQ_SENT',
]);

export class IbCm {
  readonly port: MadPort;
  readonly ids: IdTable;
  readonly caAckDelay: number;
  readonly limit: number;
  /** Requests dropped because there was no room. */
  dropped = 0;
  /** Messages sent again because no answer came. */
  resent = 0;
  private readonly clock: () => number;
  private readonly timers = new CmTimers();
  private readonly listeners = new Map<bigint, IbCmHandler>();
  private readonly receiver: CmReceiver;

  constructor(options: IbCmOptions) {
    this.port = options.port;
    this.clock = options.clock;
    this.ids = new IdTable(options.random);
    this.caAckDelay = options.caAckDelay ?? 15;
    this.limit = options.limit ?? 65536;
    this.receiver = new CmReceiver(this);
    this.port.onMad = (from, mad) => {
      const message = parseCm(mad);
      if (!(message instanceof WireError)) this.receiver.receive(from, message);
    };
  }

  // Whoever drives it

  /** When {@link progress} must be called; Infinity: never. */
  get nextDeadline(): number {
    return this.timers.next;
  }

  /** Sends again what was not answered, and ends what has waited long enough. */
  progress(): void {
    const now = this.clock();
    for (let id = this.timers.due(now); id !== null; id = this.timers.due(now)) this.expired(id, now);
  }

  private expired(id: IbCmId, now: number): void {
    if (WAITING.has(id.state) && id.retriesLeft > 0) {
      id.retriesLeft--;
      this.resent++;
      this.resend(id);
      this.timers.set(id, now + id.timeoutUs);
      return;
    }
    const was = id.state;
    if (!this.step(id, 'expire')) return;
    if (was === 'TIMEWAIT') this.deliver({ type: 'TIMEWAIT_EXIT', id });
    else if (was === 'DREQ_SENT') this.deliver({ type: 'DREQ_ERROR', id });
    else if (was === 'SIDR_REQ_SENT') this.deliver({ type: 'SIDR_REQ_ERROR', id });
    else if (was === 'REQ_SENT' || was === 'MRA_REQ_RCVD') this.deliver({ type: 'REQ_ERROR', id });
    else this.deliver({ type: 'REP_ERROR', id });
  }

  // Ids and listeners

  createId(handler: IbCmHandler): IbCmId {
    if (this.ids.size >= this.limit) {
      throw new VerbsError('createId', 'ENOMEM', `there is room for ${this.limit} communications`);
    }
    return this.ids.create(handler);
  }

  /** Requests for the service id are given to the handler, each with an id of its own. EADDRINUSE when there is one already. */
  listen(serviceId: bigint, handler: IbCmHandler): void {
    if (this.listeners.has(serviceId)) {
      throw new VerbsError('listen', 'EADDRINUSE', `service id 0x${serviceId.toString(16)} has a listener`);
    }
    this.listeners.set(serviceId, handler);
  }

  unlisten(serviceId: bigint): void {
    this.listeners.delete(serviceId);
  }

  /** @internal */
  listener(serviceId: bigint): IbCmHandler | undefined {
    return this.listeners.get(serviceId);
  }

  // Connecting

  sendReq(id: IbCmId, param: ReqParam): void {
    this.allow('sendReq', id, 'send REQ');
    const body = reqOf(id, param, this.port.caGuid, this.caAckDelay);
    const { path } = param;
    id.serviceId = param.serviceId;
    id.tid = (1n << 32n) | BigInt(id.localId);
    id.peer = madAddressOf(path);
    id.av = avOf(path);
    id.transport = body.transportType;
    id.localQpn = param.qpn;
    id.rqPsn = param.psn;
    id.pkey = path.pkey;
    id.pathMtu = path.mtu;
    id.initiatorDepth = param.initiatorDepth;
    id.responderResources = param.responderResources;
    id.retryCount = param.retryCount;
    id.rnrRetryCount = param.rnrRetryCount;
    id.ackTimeout = body.primaryAckTimeout;
    // As ib_send_cm_req: there and back, and the time the peer takes.
    id.timeoutUs = 2 * cmTimeUs(path.packetLifeTime) + cmTimeUs(param.remoteCmResponseTimeout);
    id.maxRetries = param.maxCmRetries;
    this.step(id, 'send REQ');
    this.sendAndWait(id, { type: 'REQ', tid: id.tid, body });
  }

  sendRep(id: IbCmId, param: RepParam): void {
    this.allow('sendRep', id, 'send REP');
    const body = repOf(id, param, this.port.caGuid, this.caAckDelay);
    id.localQpn = param.qpn;
    id.rqPsn = param.psn;
    id.initiatorDepth = param.initiatorDepth;
    id.responderResources = param.responderResources;
    this.step(id, 'send REP');
    this.sendAndWait(id, { type: 'REP', tid: id.tid, body });
  }

  sendRtu(id: IbCmId, privateData?: Uint8Array): void {
    this.allow('sendRtu', id, 'send RTU');
    const data = checkPrivate('sendRtu', privateData, RTU_PRIVATE_LEN);
    const body = { localCommId: id.localId, remoteCommId: id.remoteId, privateData: data };
    this.step(id, 'send RTU');
    this.sendOnce(id, { type: 'RTU', tid: id.tid, body });
  }

  /** "It will take me longer": 4.096 µs times two to `serviceTimeout`. */
  sendMra(id: IbCmId, serviceTimeout: number, privateData?: Uint8Array): void {
    this.allow('sendMra', id, 'send MRA');
    const data = checkPrivate('sendMra', privateData, MRA_PRIVATE_LEN);
    const ids = { localCommId: id.localId, remoteCommId: id.remoteId };
    const body = { ...ids, answered: answeredIn(id.state), serviceTimeout, privateData: data };
    this.step(id, 'send MRA');
    this.sendOnce(id, { type: 'MRA', tid: id.tid, body });
  }

  sendRej(id: IbCmId, reason: number, info?: Uint8Array, privateData?: Uint8Array): void {
    this.allow('sendRej', id, 'send REJ');
    const body = rejOf(id.localId, id.remoteId, answeredIn(id.state), reason, info, privateData);
    this.step(id, 'send REJ');
    this.sendOnce(id, { type: 'REJ', tid: id.tid, body });
  }

  /** Data has come before the RTU, which may be lost (`ib_cm_notify` of COMM_EST). */
  establish(id: IbCmId): void {
    if (this.step(id, 'establish')) this.deliver({ type: 'USER_ESTABLISHED', id });
  }

  // Disconnecting

  sendDreq(id: IbCmId, privateData?: Uint8Array): void {
    this.allow('sendDreq', id, 'send DREQ');
    const data = checkPrivate('sendDreq', privateData, DREQ_PRIVATE_LEN);
    const ids = { localCommId: id.localId, remoteCommId: id.remoteId };
    this.step(id, 'send DREQ');
    const tid = (1n << 32n) | BigInt(id.localId);
    this.sendAndWait(id, { type: 'DREQ', tid, body: { ...ids, remoteQpn: id.remoteQpn, privateData: data } });
  }

  sendDrep(id: IbCmId, privateData?: Uint8Array): void {
    this.allow('sendDrep', id, 'send DREP');
    const data = checkPrivate('sendDrep', privateData, DREP_PRIVATE_LEN);
    const body = { localCommId: id.localId, remoteCommId: id.remoteId, privateData: data };
    this.step(id, 'send DREP');
    this.sendOnce(id, { type: 'DREP', tid: id.dreqTid, body });
  }

  // Service ids

  sendSidrReq(id: IbCmId, param: SidrReqParam): void {
    this.allow('sendSidrReq', id, 'send SIDR_REQ');
    const { path, serviceId } = param;
    const data = checkPrivate('sendSidrReq', param.privateData, SIDR_REQ_PRIVATE_LEN);
    id.serviceId = serviceId;
    id.tid = (1n << 32n) | BigInt(id.localId);
    id.peer = madAddressOf(path);
    id.av = avOf(path);
    id.pkey = path.pkey;
    id.timeoutUs = param.timeoutUs;
    id.maxRetries = param.maxCmRetries;
    this.step(id, 'send SIDR_REQ');
    const body = { requestId: id.localId, pkey: path.pkey, serviceId, privateData: data };
    this.sendAndWait(id, { type: 'SIDR_REQ', tid: id.tid, body });
  }

  sendSidrRep(id: IbCmId, param: SidrRepParam): void {
    this.allow('sendSidrRep', id, 'send SIDR_REP');
    checkPrivate('sendSidrRep', param.privateData, SIDR_REP_PRIVATE_LEN);
    const { requestKey } = id;
    const body = sidrRepOf(id.remoteId, id.serviceId, param);
    this.step(id, 'send SIDR_REP');
    this.sendOnce(id, { type: 'SIDR_REP', tid: id.tid, body });
    // As long as the user keeps it, a request that comes again gets this answer again.
    this.ids.nameRequest(id, requestKey);
  }

  // Letting go

  /** The user needs it no more: the peer is told, as `cm_destroy_id` does, and no further event comes. */
  destroy(id: IbCmId): void {
    if (id.destroyed) return;
    id.destroyed = true;
    switch (id.state) {
      case 'REQ_SENT':
      case 'MRA_REQ_RCVD':
        // The peer knows neither our communication id for sure nor we its own: the GUID tells whose request it was.
        this.sendRej(id, RejReason.TIMEOUT, this.port.caGuid);
        break;
      case 'REQ_RCVD':
      case 'MRA_REQ_SENT':
      case 'REP_RCVD':
      case 'MRA_REP_SENT':
      case 'REP_SENT':
      case 'MRA_REP_RCVD':
        this.sendRej(id, RejReason.CONSUMER_DEFINED);
        break;
      case 'ESTABLISHED':
        this.sendDreq(id);
        break;
      case 'DREQ_RCVD':
        this.sendDrep(id);
        break;
      case 'SIDR_REQ_RCVD':
        this.sendSidrRep(id, { status: SidrStatus.REJECT });
        break;
    }
    if (id.state !== 'TIMEWAIT' && id.state !== 'DREQ_SENT') this.remove(id);
  }

  private remove(id: IbCmId): void {
    this.timers.set(id, Number.POSITIVE_INFINITY);
    id.state = 'IDLE';
    this.ids.remove(id);
  }

  /** Forgets all, without a word to anybody: the device goes away. */
  close(): void {
    this.port.onMad = null;
    this.listeners.clear();
    for (const id of [...this.ids.all()]) {
      id.destroyed = true;
      this.remove(id);
    }
  }

  // For the receiver

  /** @internal Moves on as the table says; false when it says nothing. */
  step(id: IbCmId, input: CmInput): boolean {
    const t = transition(id.state, input);
    if (t === undefined) return false;
    const from = id.state;
    id.state = t.to;
    if (from === t.to) return true;
    if (t.to === 'TIMEWAIT') {
      // IBTA 12.9.8.4: until packets that are still on their way have arrived.
      const timeout = ackTimeoutOf(id.targetAckDelay, Math.max(0, id.ackTimeout - 1));
      this.timers.set(id, this.clock() + cmTimeUs(timeout));
    } else if (!WAITING.has(t.to)) {
      this.timers.set(id, Number.POSITIVE_INFINITY);
    }
    if (t.to === 'IDLE') {
      this.ids.unname(id);
      if (id.destroyed) this.ids.remove(id);
    }
    return true;
  }

  /** @internal */
  deliver(event: IbCmEvent): Verdict {
    const { id } = event;
    if (!id.destroyed) return id.handler?.(event);
    // Nobody is there who would answer.
    if (id.state === 'DREQ_RCVD') this.sendDrep(id);
    return undefined;
  }

  /** @internal */
  resend(id: IbCmId): void {
    if (id.last !== null && id.peer !== null) this.port.send(id.peer, id.last);
  }

  /** @internal The peer asks for patience. */
  prolong(id: IbCmId, serviceTimeout: number): void {
    this.timers.set(id, this.clock() + cmTimeUs(serviceTimeout) + id.timeoutUs);
  }

  /** @internal An answer without a communication. */
  reply(to: MadAddress, message: CmMessage): void {
    this.port.send(to, encodeCm(message));
  }

  private allow(verb: string, id: IbCmId, input: CmInput): void {
    if (transition(id.state, input) === undefined) {
      throw new VerbsError(verb, 'EINVAL', `a communication in state ${id.state} cannot ${input}`);
    }
  }

  private sendOnce(id: IbCmId, message: CmMessage): void {
    id.last = encodeCm(message);
    this.resend(id);
  }

  private sendAndWait(id: IbCmId, message: CmMessage): void {
    id.retriesLeft = id.maxRetries;
    this.timers.set(id, this.clock() + id.timeoutUs);
    this.sendOnce(id, message);
  }
}
