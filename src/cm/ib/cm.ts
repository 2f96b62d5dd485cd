// The communication manager of one device (IBTA vol. 1 chapter 12): what its users call. No I/O and no clock of its own: MADs go
// through a port, time is asked for, and progress() is called when nextDeadline has come.
import { VerbsError } from '../../core/errors.ts';
import { RTU_PRIVATE_LEN } from '../../wire/cm-connect.ts';
import { DREP_PRIVATE_LEN, DREQ_PRIVATE_LEN } from '../../wire/cm-disconnect.ts';
import { encodeCm, parseCm } from '../../wire/cm-message.ts';
import { MRA_PRIVATE_LEN, RejReason } from '../../wire/cm-refuse.ts';
import { SIDR_REP_PRIVATE_LEN, SIDR_REQ_PRIVATE_LEN, SidrStatus } from '../../wire/cm-sidr.ts';
import { WireError } from '../../wire/error.ts';
import { avOf, madAddressOf, type PathRecord } from '../path.ts';
import type { IbCmHandler } from './events.ts';
import type { IbCmId } from './id.ts';
import { CmMachine, type IbCmOptions } from './machine.ts';
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
import { cmTimeUs } from './time.ts';

export type { IbCmOptions };

export interface SidrReqParam {
  readonly serviceId: bigint;
  readonly path: PathRecord;
  readonly timeoutUs: number;
  readonly maxCmRetries: number;
  readonly privateData?: Uint8Array;
}

export class IbCm extends CmMachine {
  private readonly listeners = new Map<bigint, IbCmHandler>();
  private readonly receiver: CmReceiver;

  constructor(options: IbCmOptions) {
    super(options);
    this.receiver = new CmReceiver(this);
    this.port.onMad = (from, mad) => {
      const message = parseCm(mad);
      if (!(message instanceof WireError)) this.receiver.receive(from, message);
    };
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

  /**
   * "It will take me longer": 4.096 µs times two to `serviceTimeout`. `delayed`: said only if the peer asks again (Linux's
   * IB_CM_MRA_FLAG_DELAY).
   */
  sendMra(id: IbCmId, serviceTimeout: number, privateData?: Uint8Array, delayed = false): void {
    this.allow('sendMra', id, 'send MRA');
    const data = checkPrivate('sendMra', privateData, MRA_PRIVATE_LEN);
    const ids = { localCommId: id.localId, remoteCommId: id.remoteId };
    const body = { ...ids, answered: answeredIn(id.state), serviceTimeout, privateData: data };
    this.step(id, 'send MRA');
    const message = { type: 'MRA', tid: id.tid, body } as const;
    if (delayed) id.last = encodeCm(message);
    else this.sendOnce(id, message);
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

  protected override unattended(id: IbCmId): void {
    if (id.state === 'DREQ_RCVD') this.sendDrep(id);
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
}
