import { randomInt } from 'node:crypto';
import type { AddressVector } from '../core/ah.ts';
import {
  Access,
  Mtu,
  mtuBytes,
  mtuEnum,
  nameOf,
  QpAttrMask,
  QpState,
  type QpStateName,
  QpType,
  type QpTypeName,
  SendFlags,
  WrOpcode,
} from '../core/constants.ts';
import { VerbsError } from '../core/errors.ts';
import { gidFromText } from '../core/gid-text.ts';
import type { QueuePair as CoreQp, QpAttr, QpCap } from '../core/qp.ts';
import { attachMcast, detachMcast } from '../core/verbs-mcast.ts';
import { bindMw } from '../core/verbs-mw.ts';
import { destroyQp, modifyQp, queryQp } from '../core/verbs-qp.ts';
import { RecvWr, SendWr } from '../core/work.ts';
import { type AccessRights, accessBits } from './access.ts';
import { addressVector, type Destination, sgidIndexFor } from './av.ts';
import type { EngineLoop } from './loop.ts';
import { type Bind, bindArguments, type MemoryWindow } from './mw.ts';
import { fillRecv, fillSend, type RecvRequest, type SendRequest } from './requests.ts';

/** What a peer must know of a queue pair to connect to it: plain data, to be sent by any means. */
export interface QpEndpoint {
  readonly qpn: number;
  /** First packet sequence number that it will send. */
  readonly psn: number;
  /** As text: `::ffff:192.0.2.1`. */
  readonly gid: string;
  /** Of InfiniBand-like devices (hfi1, qib); what they send by. */
  readonly lid?: number;
  /** Largest path MTU in bytes. */
  readonly mtu: number;
}

/** How a queue pair is connected; all have defaults. */
export interface ConnectOptions {
  /** Path MTU in bytes: 256, 512, 1024, 2048 or 4096. Default: the smaller of both ends' largest. */
  readonly mtu?: number;
  /** Rights of the peer. Default: REMOTE_WRITE, REMOTE_READ and, on RC, REMOTE_ATOMIC. */
  readonly access?: AccessRights;
  /** Local ACK timeout: 4.096 µs · 2^timeout; 0: none. Default 14 (67 ms). */
  readonly timeout?: number;
  /** Retransmissions before RETRY_EXC_ERR. Default 7. */
  readonly retryCnt?: number;
  /** Retries when the peer has no receive request posted; 7: for ever. Default 7. */
  readonly rnrRetry?: number;
  /** Code of the time that the peer shall wait before such a retry. Default 12 (0.64 ms). */
  readonly minRnrTimer?: number;
  /** READs and atomics outstanding, to the peer and from it. Default 16. */
  readonly maxRdAtomic?: number;
  readonly maxDestRdAtomic?: number;
  readonly trafficClass?: number;
  readonly hopLimit?: number;
  /** Service level, for InfiniBand-like devices. Default 0. */
  readonly sl?: number;
  /** Index of the GID to use. Default: what `endpoint` was called with, else the first of the peer's address family. */
  readonly sgidIndex?: number;
}

const A = QpAttrMask;
const INIT = A.STATE | A.PKEY_INDEX | A.PORT;
const RTR_UC = A.STATE | A.AV | A.PATH_MTU | A.DEST_QPN | A.RQ_PSN;
const RTR_RC = RTR_UC | A.MAX_DEST_RD_ATOMIC | A.MIN_RNR_TIMER;
const RTS_UC = A.STATE | A.SQ_PSN;
const RTS_RC = RTS_UC | A.TIMEOUT | A.RETRY_CNT | A.RNR_RETRY | A.MAX_QP_RD_ATOMIC;

// What is posted is copied before the call returns, so that all queue pairs can share these.
const sendScratch = new SendWr();
const recvScratch = new RecvWr();
const PEER_OF_RC = Access.REMOTE_WRITE | Access.REMOTE_READ | Access.REMOTE_ATOMIC;
const PEER_OF_UC = Access.REMOTE_WRITE;

// A small integer to V8, too, which randomInt's result is not.
const newPsn = (): number => randomInt(1 << 24) | 0;

/** A queue pair: made by `pd.createQp`. */
export class QueuePair {
  /** @internal */
  readonly core: CoreQp;
  private readonly loop: EngineLoop;
  private psn = newPsn();
  /** The GID that the peer was told; it expects our packets from there. */
  private told: number | undefined;

  /** @internal */
  constructor(core: CoreQp, loop: EngineLoop) {
    this.core = core;
    this.loop = loop;
  }

  get qpn(): number {
    return this.core.qpn;
  }

  get type(): QpTypeName {
    return nameOf(QpType, this.core.type) as QpTypeName;
  }

  get state(): QpStateName {
    return nameOf(QpState, this.core.state) as QpStateName;
  }

  /** What it has room for: at least what was asked for. */
  get cap(): Readonly<QpCap> {
    return this.core.cap;
  }

  /**
   * What to tell the peer, anew after a reset. `sgidIndex` chooses which of the device's addresses, and then {@link connect}
   * takes that, too; default: the first.
   */
  endpoint(sgidIndex?: number): QpEndpoint {
    const { device } = this.core.context;
    const entry = device.gids.at(sgidIndex ?? sgidIndexFor(device, null));
    if (entry === null) throw new VerbsError('endpoint', 'EINVAL', `there is no GID at index ${sgidIndex}`);
    if (sgidIndex !== undefined) this.told = sgidIndex;
    const { activeMtu, lid } = device.ops.queryPort(1);
    const endpoint = { qpn: this.qpn, psn: this.psn, gid: entry.text, mtu: mtuBytes(activeMtu) };
    return lid === 0 ? endpoint : { ...endpoint, lid };
  }

  /** Takes an RC or UC queue pair from RESET through INIT and RTR to RTS, connected to `peer`. */
  connect(peer: QpEndpoint, options: ConnectOptions = {}): void {
    const { core } = this;
    if (core.type !== QpType.RC && core.type !== QpType.UC) {
      throw new VerbsError('connect', 'EINVAL', `a ${this.type} QP is not connected; call activate()`);
    }
    const { device } = core.context;
    const rc = core.type === QpType.RC;
    const { gid, lid } = peer;
    const destination: Destination = { ...options, gid, lid, sgidIndex: options.sgidIndex ?? this.told };
    const own = mtuBytes(device.ops.queryPort(1).activeMtu);
    const mtu = options.mtu ?? Math.min(peer.mtu, own);
    const pathMtu = mtuEnum(mtu);
    if (pathMtu === 0) throw new VerbsError('connect', 'EINVAL', `mtu ${mtu}; there are 256, 512, 1024, 2048 and 4096`);
    if (core.state === QpState.RESET) this.init(options.access);
    const attr: Partial<QpAttr> = {
      state: QpState.RTR,
      av: addressVector(device, destination),
      pathMtu,
      destQpn: peer.qpn,
      rqPsn: peer.psn,
      maxDestRdAtomic: options.maxDestRdAtomic ?? 16,
      minRnrTimer: options.minRnrTimer ?? 12,
      sqPsn: this.psn,
      timeout: options.timeout ?? 14,
      retryCnt: options.retryCnt ?? 7,
      rnrRetry: options.rnrRetry ?? 7,
      maxRdAtomic: options.maxRdAtomic ?? 16,
    };
    this.modify(attr, rc ? RTR_RC : RTR_UC);
    attr.state = QpState.RTS;
    this.modify(attr, rc ? RTS_RC : RTS_UC);
  }

  /** To INIT, where receive requests can be posted before the peer is known. */
  init(access?: AccessRights): void {
    const rights = access ?? (this.core.type === QpType.RC ? PEER_OF_RC : PEER_OF_UC);
    const accessFlags = accessBits('modifyQp', rights);
    this.modify({ state: QpState.INIT, pkeyIndex: 0, port: 1, accessFlags }, INIT | A.ACCESS_FLAGS);
  }

  /** Takes a UD queue pair from RESET (or INIT) to RTS. Datagrams must carry its `qkey`. */
  activate(options: { readonly qkey: number }): void {
    if (this.core.type !== QpType.UD)
      throw new VerbsError('activate', 'EINVAL', `a ${this.type} QP is connected: connect()`);
    if (this.core.state === QpState.RESET) {
      this.modify({ state: QpState.INIT, pkeyIndex: 0, port: 1, qkey: options.qkey }, INIT | A.QKEY);
    }
    this.modify({ state: QpState.RTR }, A.STATE);
    this.modify({ state: QpState.RTS, sqPsn: this.psn }, RTS_UC);
  }

  /** `ibv_modify_qp`, for those who want each step: sets what `mask` (bits of `QpAttrMask`) names. */
  modify(attr: Partial<QpAttr>, mask: number): void {
    modifyQp(this.core, attr, mask);
    // Packets of the connection that was must not be taken for the next one's (IBTA 9.7.1).
    if (mask & A.STATE && attr.state === QpState.RESET) this.psn = newPsn();
    this.loop.posted();
  }

  /** `ibv_query_qp` */
  query(): QpAttr {
    return queryQp(this.core);
  }

  /**
   * Posts send requests, in order; the doorbell is rung once for all. When one is refused (a `VerbsError`: ENOMEM for a full
   * queue), those before it are posted and those after it are not.
   */
  postSend(request: SendRequest | SendWr | readonly (SendRequest | SendWr)[]): void {
    if (Array.isArray(request)) {
      this.postList(request);
      return;
    }
    this.post(request as SendRequest | SendWr, false);
    this.loop.posted();
  }

  private post(request: SendRequest | SendWr, more: boolean): void {
    const wr = request instanceof SendWr ? request : fillSend(sendScratch, request);
    if (this.core.destroyed) throw new VerbsError('postSend', 'EINVAL', 'the QP is destroyed');
    this.core.context.device.ops.postSend(this.core, wr, more);
  }

  private postList(requests: readonly (SendRequest | SendWr)[]): void {
    const last = requests.length - 1;
    try {
      for (let i = 0; i <= last; i++) this.post(requests[i], i < last);
    } catch (error) {
      // Those before the one that was refused are posted, and must go.
      this.loop.doorbell(this.core);
      throw error;
    } finally {
      this.loop.posted();
    }
  }

  /** A send request in the engine's own form, to be kept, changed and posted again: for hot loops. */
  sendWr(request: SendRequest): SendWr {
    return fillSend(new SendWr(), request);
  }

  /** Posts receive requests, in order. ENOMEM when the queue is full: those before the one that failed are posted. */
  postRecv(request: RecvRequest | RecvWr | readonly (RecvRequest | RecvWr)[]): void {
    if (this.core.destroyed) throw new VerbsError('postRecv', 'EINVAL', 'the QP is destroyed');
    const { ops } = this.core.context.device;
    if (!Array.isArray(request)) {
      ops.postRecv(this.core, request instanceof RecvWr ? request : fillRecv(recvScratch, request as RecvRequest));
    } else {
      for (const r of request) ops.postRecv(this.core, r instanceof RecvWr ? r : fillRecv(recvScratch, r));
    }
    // It is flushed already, and somebody may wait for that.
    if (this.core.state === QpState.ERR) this.loop.posted();
  }

  /** A receive request in the engine's own form, to be kept and posted again: for hot loops. */
  recvWr(request: RecvRequest): RecvWr {
    return fillRecv(new RecvWr(), request);
  }

  /** Posts the binding of a window (BIND_MW); returns the rkey it will have when that completes. */
  bindMw(mw: MemoryWindow, bind: Bind, options: { readonly wrId?: number; readonly signaled?: boolean } = {}): number {
    const { addr, length, access } = bindArguments(bind);
    const flags = (options.signaled ?? true) ? SendFlags.SIGNALED : 0;
    const wrId = options.wrId ?? 0;
    if (mw.core.type === 1) {
      const rkey = bindMw(this.core, mw.core, { wrId, flags, mr: bind.mr.core, addr, length, access });
      this.loop.posted();
      return rkey;
    }
    const wr = new SendWr();
    wr.opcode = WrOpcode.BIND_MW;
    wr.wrId = wrId;
    wr.flags = flags;
    wr.mw = mw.core;
    wr.bindMr = bind.mr.core;
    wr.bindAddr = addr;
    wr.bindLength = length;
    wr.bindAccess = access;
    wr.bindRkey = mw.nextRkey;
    this.postSend(wr);
    return wr.bindRkey;
  }

  /**
   * UD: also receives what is sent to a multicast group, by GID or address (`239.1.2.3`, `ff15::1`); on an InfiniBand-like
   * device with the group's LID, 0xc000 to 0xfffe.
   */
  attachMcast(group: string, lid?: number): void {
    attachMcast(this.core, gidFromText(group), lid);
  }

  detachMcast(group: string, lid?: number): void {
    detachMcast(this.core, gidFromText(group), lid);
  }

  /** Destroys it. EBUSY while it is in multicast groups. What was posted is forgotten. */
  close(): void {
    if (!this.core.destroyed) destroyQp(this.core);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Largest path MTU there is. */
export const MAX_MTU: number = mtuBytes(Mtu.MTU_4096);
export type { AddressVector };
