// rdma_cm of one machine: its devices, its ports, its ids. What Linux does in drivers/infiniband/core/cma.c, for user space.
import { QpType } from '../../core/constants.ts';
import { VerbsError } from '../../core/errors.ts';
import { CmTransport, REQ_PRIVATE_LEN } from '../../wire/cm-connect.ts';
import { emitIpCm, IP_CM_LEN, PortSpace, parseIpCm, serviceIdOf } from '../../wire/cm-ip.ts';
import { RejReason } from '../../wire/cm-refuse.ts';
import { SIDR_REQ_PRIVATE_LEN, SidrStatus } from '../../wire/cm-sidr.ts';
import { WireError } from '../../wire/error.ts';
import type { IbCmEvent, Verdict } from '../ib/events.ts';
import type { IbCmId } from '../ib/id.ts';
import { checkPrivate } from '../ib/messages.ts';
import { cmTimeUs } from '../ib/time.ts';
import { EventChannel } from './channel.ts';
import { onIbEvent } from './ib-handler.ts';
import { type AcceptParam, type ConnectParam, type IdRights, RdmaCmId } from './id.ts';
import { DEFAULT_PORT_RULES, type PortRules, PortTable } from './ports.ts';
import { RDMA_UDP_QKEY } from './qp-attr.ts';
import { type CmDevice, localEnd } from './route.ts';

/** `CMA_CM_RESPONSE_TIMEOUT` and `CMA_MAX_CM_RETRIES` */
const RESPONSE_TIMEOUT = 20;
const MAX_CM_RETRIES = 15;
/** `CMA_CM_MRA_SETTING`: 69 seconds. */
const MRA_TIMEOUT = 24;
/** `/proc/sys/net/rdma_ucm/max_backlog` */
const MAX_BACKLOG = 1024;

export interface RdmaCmOptions {
  readonly random: (below: number) => number;
  readonly portRules?: PortRules;
  readonly maxBacklog?: number;
}

export interface CreateIdOptions {
  readonly channel: EventChannel;
  /** `PortSpace` */
  readonly portSpace: number;
  /** For the port space IB, which leaves it open. */
  readonly qpType?: number;
  readonly rights?: IdRights;
  readonly context?: unknown;
}

const NO_RIGHTS: IdRights = { netBindService: false };

export class RdmaCm {
  readonly random: (below: number) => number;
  readonly maxBacklog: number;
  readonly devices: CmDevice[] = [];
  readonly ids = new Set<RdmaCmId>();
  private readonly rules: PortRules;
  private readonly tables = new Map<number, PortTable>();
  /** Ids that listen, by service id. */
  private readonly listening = new Map<bigint, Set<RdmaCmId>>();

  constructor(options: RdmaCmOptions) {
    this.random = options.random;
    this.rules = options.portRules ?? DEFAULT_PORT_RULES;
    this.maxBacklog = options.maxBacklog ?? MAX_BACKLOG;
  }

  // Devices

  addDevice(device: CmDevice): void {
    this.devices.push(device);
    for (const serviceId of this.listening.keys()) this.listenOn(device, serviceId);
  }

  /** The device goes away: whoever uses it gets DEVICE_REMOVAL. */
  removeDevice(device: CmDevice): void {
    const i = this.devices.indexOf(device);
    if (i < 0) return;
    this.devices.splice(i, 1);
    for (const id of this.ids) {
      if (id.end?.device !== device) continue;
      id.ib = null;
      id.state = 'DEVICE_REMOVAL';
      id.event('DEVICE_REMOVAL');
    }
    device.ib.close();
    device.gsi.close();
  }

  /** Retransmissions and times that have come, of all devices. */
  progress(): void {
    for (const { gsi, ib } of this.devices) {
      gsi.poll();
      ib.progress();
    }
  }

  get nextDeadline(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { ib } of this.devices) next = Math.min(next, ib.nextDeadline);
    return next;
  }

  // Ids

  /** `rdma_create_id` */
  createId(options: CreateIdOptions): RdmaCmId {
    const { portSpace } = options;
    if (!Object.values<number>(PortSpace).includes(portSpace)) {
      throw new VerbsError('createId', 'EINVAL', `port space 0x${portSpace.toString(16)} is unknown`);
    }
    const implied = portSpace === PortSpace.TCP ? QpType.RC : portSpace === PortSpace.IB ? undefined : QpType.UD;
    const qpType = implied ?? options.qpType ?? QpType.RC;
    const id = new RdmaCmId(
      this,
      options.channel,
      portSpace,
      qpType,
      options.rights ?? NO_RIGHTS,
      options.context ?? null,
    );
    this.ids.add(id);
    return id;
  }

  /** @internal */
  ports(portSpace: number): PortTable {
    let table = this.tables.get(portSpace);
    if (table === undefined) {
      table = new PortTable(this.rules, this.random);
      this.tables.set(portSpace, table);
    }
    return table;
  }

  /** @internal */
  destroy(id: RdmaCmId): void {
    const { state } = id;
    id.state = 'DESTROYED';
    this.ids.delete(id);
    if (state === 'LISTEN') this.stopListening(id);
    if (!id.accepted) this.ports(id.portSpace).release(id);
    if (id.ib !== null && id.end !== null) id.end.device.ib.destroy(id.ib);
    id.ib = null;
    id.multicasts.length = 0;
    // Requests that nobody has fetched are refused by destroying their ids.
    for (const event of id.channel.extract(id)) {
      if (event.listenId !== null) event.listenId.pending--;
      if (event.id !== id) event.id.destroy();
    }
  }

  // Listening

  /** @internal */
  startListening(id: RdmaCmId): void {
    const serviceId = serviceIdOf(id.portSpace, id.src!.port);
    const ids = this.listening.get(serviceId);
    if (ids !== undefined) {
      ids.add(id);
      return;
    }
    this.listening.set(serviceId, new Set([id]));
    for (const device of this.devices) this.listenOn(device, serviceId);
  }

  private listenOn(device: CmDevice, serviceId: bigint): void {
    device.ib.listen(serviceId, (event) => this.onRequest(device, event));
  }

  private stopListening(id: RdmaCmId): void {
    const serviceId = serviceIdOf(id.portSpace, id.src!.port);
    const ids = this.listening.get(serviceId);
    ids?.delete(id);
    if (ids?.size !== 0) return;
    this.listening.delete(serviceId);
    for (const { ib } of this.devices) ib.unlisten(serviceId);
  }

  /** A request from a peer (Linux `cma_ib_req_handler`), and what happens to it until the program has its id. */
  private onRequest(device: CmDevice, event: IbCmEvent): Verdict {
    if (event.type !== 'REQ_RECEIVED' && event.type !== 'SIDR_REQ_RECEIVED') {
      const known = event.id.context;
      if (known instanceof RdmaCmId) onIbEvent(known, event);
      return undefined;
    }
    const { id: ib } = event;
    const data = event.type === 'REQ_RECEIVED' ? event.req.privateData : event.sidr.privateData;
    const header = parseIpCm(data, 0);
    if (header instanceof WireError) return RejReason.CONSUMER_DEFINED;
    const end = localEnd([device], header.dstIp);
    if (end === null) return RejReason.INVALID_GID;
    const port = Number(ib.serviceId & 0xffffn);
    const portSpace = Number(ib.serviceId >> 16n);
    const listener = this.ports(portSpace).listener(header.dstIp, port);
    const datagrams = event.type === 'SIDR_REQ_RECEIVED';
    if (listener === null || (listener.qpType === QpType.UD) !== datagrams) return RejReason.INVALID_SERVICE_ID;
    // As Linux's ucma: no room in the backlog, no answer; the peer asks again.
    if (listener.pending >= listener.backlog) return 'drop';
    const id = this.childOf(listener, ib);
    id.end = { ...end, sgidIndex: ib.av!.sgidIndex };
    id.src = { address: end.address, port };
    id.dst = { address: header.srcIp, port: header.srcPort };
    id.route = {
      sgid: device.gsi.device.gids.at(ib.av!.sgidIndex)!.gid,
      dgid: ib.av!.dgid,
      sgidIndex: ib.av!.sgidIndex,
      pkey: ib.pkey,
      mtu: ib.pathMtu,
      flowLabel: ib.av!.flowLabel,
      trafficClass: ib.av!.trafficClass,
      hopLimit: ib.av!.hopLimit,
      sl: ib.av!.sl,
      rate: 0,
      packetLifeTime: Math.max(0, ib.ackTimeout - 1),
    };
    listener.pending++;
    const privateData = data.subarray(IP_CM_LEN);
    if (event.type === 'SIDR_REQ_RECEIVED') {
      const ud = { privateData, ahAttr: ib.av!, qpNum: 0, qkey: 0 };
      id.event('CONNECT_REQUEST', { listenId: listener, ud });
      return undefined;
    }
    const { req } = event;
    const conn = {
      privateData,
      responderResources: req.initiatorDepth,
      initiatorDepth: req.responderResources,
      flowControl: req.flowControl,
      retryCount: req.retryCount,
      rnrRetryCount: req.rnrRetryCount,
      srq: req.srq,
      qpNum: req.localQpn,
    };
    id.event('CONNECT_REQUEST', { listenId: listener, conn });
    this.beg(id);
    return undefined;
  }

  /** @internal The program may take its time: a peer that asks again is told to wait. */
  beg(id: RdmaCmId): void {
    const { ib, end } = id;
    if (ib === null || end === null) return;
    if (ib.state === 'REQ_RCVD' || ib.state === 'REP_RCVD') end.device.ib.sendMra(ib, MRA_TIMEOUT, undefined, true);
  }

  private childOf(listener: RdmaCmId, ib: IbCmId): RdmaCmId {
    const { channel, portSpace, qpType, rights } = listener;
    const id = new RdmaCmId(this, channel, portSpace, qpType, rights, null);
    id.accepted = true;
    id.tos = listener.tos;
    id.ackTimeout = listener.ackTimeout;
    id.state = 'CONNECT';
    id.ib = ib;
    ib.context = id;
    this.ids.add(id);
    return id;
  }

  // Connecting

  /** @internal */
  connect(id: RdmaCmId, param: ConnectParam): void {
    const { ib: manager } = id.end!.device;
    const datagrams = id.qpType === QpType.UD;
    const most = (datagrams ? SIDR_REQ_PRIVATE_LEN : REQ_PRIVATE_LEN) - IP_CM_LEN;
    const given = checkPrivate('connect', param.privateData, most);
    const privateData = new Uint8Array(IP_CM_LEN + given.length);
    const { src, dst } = id;
    emitIpCm(privateData, 0, { version: 0, srcIp: src!.address, dstIp: dst!.address, srcPort: src!.port });
    privateData.set(given, IP_CM_LEN);
    const serviceId = serviceIdOf(id.portSpace, dst!.port);
    const path = id.route!;
    const responseTimeout = param.responseTimeout ?? RESPONSE_TIMEOUT;
    const maxCmRetries = param.maxCmRetries ?? MAX_CM_RETRIES;
    // One that was refused may try again, with a communication of its own.
    if (id.ib !== null) manager.destroy(id.ib);
    const ib = manager.createId((event) => {
      if (id.ib === event.id) onIbEvent(id, event);
      return undefined;
    });
    id.ib = ib;
    id.disconnecting = false;
    try {
      if (datagrams) {
        const timeoutUs = cmTimeUs(responseTimeout);
        manager.sendSidrReq(ib, { serviceId, path, timeoutUs, maxCmRetries, privateData });
        return;
      }
      manager.sendReq(ib, {
        serviceId,
        path,
        qpn: param.qpn ?? 0,
        psn: id.psn,
        transport: id.qpType === QpType.UC ? CmTransport.UC : CmTransport.RC,
        responderResources: param.responderResources ?? 0,
        initiatorDepth: param.initiatorDepth ?? 0,
        remoteCmResponseTimeout: responseTimeout,
        localCmResponseTimeout: responseTimeout,
        maxCmRetries,
        retryCount: Math.min(7, param.retryCount ?? 0),
        rnrRetryCount: Math.min(7, param.rnrRetryCount ?? 0),
        flowControl: param.flowControl,
        srq: param.srq,
        ackTimeout: id.ackTimeout ?? undefined,
        privateData,
      });
    } catch (error) {
      id.ib = null;
      manager.destroy(ib);
      throw error;
    }
  }

  /** @internal */
  accept(id: RdmaCmId, param: AcceptParam): void {
    const { ib: manager } = id.end!.device;
    const { privateData, qpn = 0 } = param;
    if (id.qpType === QpType.UD) {
      id.qkey = param.qkey ?? RDMA_UDP_QKEY;
      manager.sendSidrRep(id.ib!, { status: SidrStatus.SUCCESS, qpn, qkey: id.qkey, privateData });
      return;
    }
    manager.sendRep(id.ib!, {
      qpn,
      psn: id.psn,
      responderResources: param.responderResources ?? 0,
      initiatorDepth: param.initiatorDepth ?? 0,
      rnrRetryCount: Math.min(7, param.rnrRetryCount ?? 0),
      flowControl: param.flowControl,
      srq: param.srq,
      privateData,
    });
  }

  /** @internal */
  establish(id: RdmaCmId): void {
    id.end!.device.ib.sendRtu(id.ib!);
  }

  /** @internal */
  reject(id: RdmaCmId, privateData?: Uint8Array, reason: number = RejReason.CONSUMER_DEFINED): void {
    const { ib: manager } = id.end!.device;
    if (id.qpType === QpType.UD) manager.sendSidrRep(id.ib!, { status: SidrStatus.REJECT, privateData });
    else manager.sendRej(id.ib!, reason, undefined, privateData);
  }

  /** @internal */
  disconnect(id: RdmaCmId): void {
    const { ib: manager } = id.end!.device;
    const ib = id.ib!;
    if (id.qpType === QpType.UD) throw new VerbsError('disconnect', 'EINVAL', 'datagrams have no connection');
    if (ib.state === 'DREQ_RCVD') manager.sendDrep(ib);
    else manager.sendDreq(ib);
    id.disconnecting = true;
  }
}

export { EventChannel };
