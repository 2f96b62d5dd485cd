// The messages of a communication, from what its user gives and what it knows itself.

import { VerbsError } from '../../core/errors.ts';
import { type CmRep, type CmReq, CmTransport, REP_PRIVATE_LEN, REQ_PRIVATE_LEN } from '../../wire/cm-connect.ts';
import { CmAnswered, type CmRej, REJ_INFO_LEN, REJ_PRIVATE_LEN } from '../../wire/cm-refuse.ts';
import type { CmSidrRep } from '../../wire/cm-sidr.ts';
import type { PathRecord } from '../path.ts';
import type { IbCmId } from './id.ts';
import type { CmState } from './states.ts';
import { ackTimeoutOf } from './time.ts';

export const NO_BYTES: Uint8Array = new Uint8Array(0);
const NO_GID = new Uint8Array(16);
/** `IB_LID_PERMISSIVE`: what stands for a LID where there are routers, or no LIDs at all. */
const LID_PERMISSIVE = 0xffff;

export interface ReqParam {
  readonly serviceId: bigint;
  readonly path: PathRecord;
  readonly qpn: number;
  readonly psn: number;
  /** `CmTransport`: RC or UC. */
  readonly transport?: number;
  readonly responderResources: number;
  readonly initiatorDepth: number;
  /** 4.096 µs times two to these: how long the peer may take to answer, and how long we do. */
  readonly remoteCmResponseTimeout: number;
  readonly localCmResponseTimeout: number;
  readonly maxCmRetries: number;
  readonly retryCount: number;
  readonly rnrRetryCount: number;
  readonly flowControl?: number;
  readonly srq?: boolean;
  /** In place of what the path's lifetime gives. */
  readonly ackTimeout?: number;
  readonly privateData?: Uint8Array;
}

export interface RepParam {
  readonly qpn: number;
  readonly psn: number;
  readonly responderResources: number;
  readonly initiatorDepth: number;
  readonly rnrRetryCount: number;
  readonly flowControl?: number;
  readonly srq?: boolean;
  readonly privateData?: Uint8Array;
}

export interface SidrRepParam {
  /** `SidrStatus` */
  readonly status: number;
  readonly qpn?: number;
  readonly qkey?: number;
  readonly privateData?: Uint8Array;
}

/** EINVAL when private data is longer than the message has room for. */
export function checkPrivate(verb: string, data: Uint8Array | undefined, most: number): Uint8Array {
  if (data === undefined) return NO_BYTES;
  if (data.length <= most) return data;
  throw new VerbsError(verb, 'EINVAL', `${data.length} bytes of private data; ${most} are allowed`);
}

export function reqOf(id: IbCmId, p: ReqParam, caGuid: Uint8Array, caAckDelay: number): CmReq {
  const { path } = p;
  return {
    localCommId: id.localId,
    serviceId: p.serviceId,
    localCaGuid: caGuid,
    localQkey: 0,
    localQpn: p.qpn,
    responderResources: p.responderResources,
    localEecn: 0,
    initiatorDepth: p.initiatorDepth,
    remoteEecn: 0,
    remoteCmResponseTimeout: p.remoteCmResponseTimeout,
    transportType: p.transport ?? CmTransport.RC,
    flowControl: p.flowControl ?? 0,
    startingPsn: p.psn,
    localCmResponseTimeout: p.localCmResponseTimeout,
    retryCount: p.retryCount,
    pkey: path.pkey,
    pathMtu: path.mtu,
    rdcExists: 0,
    rnrRetryCount: p.rnrRetryCount,
    maxCmRetries: p.maxCmRetries,
    srq: p.srq ? 1 : 0,
    extendedTransport: 0,
    primaryLocalLid: LID_PERMISSIVE,
    primaryRemoteLid: LID_PERMISSIVE,
    primaryLocalGid: path.sgid,
    primaryRemoteGid: path.dgid,
    primaryFlowLabel: path.flowLabel,
    primaryPacketRate: path.rate,
    primaryTrafficClass: path.trafficClass,
    primaryHopLimit: path.hopLimit,
    primarySl: path.sl,
    primarySubnetLocal: path.hopLimit <= 1 ? 1 : 0,
    primaryAckTimeout: p.ackTimeout ?? ackTimeoutOf(caAckDelay, path.packetLifeTime),
    alternateLocalLid: 0,
    alternateRemoteLid: 0,
    alternateLocalGid: NO_GID,
    alternateRemoteGid: NO_GID,
    alternateFlowLabel: 0,
    alternatePacketRate: 0,
    alternateTrafficClass: 0,
    alternateHopLimit: 0,
    alternateSl: 0,
    alternateSubnetLocal: 0,
    alternateAckTimeout: 0,
    sapSupported: 0,
    privateData: checkPrivate('sendReq', p.privateData, REQ_PRIVATE_LEN),
  };
}

export function repOf(id: IbCmId, p: RepParam, caGuid: Uint8Array, caAckDelay: number): CmRep {
  return {
    localCommId: id.localId,
    remoteCommId: id.remoteId,
    localQkey: 0,
    localQpn: p.qpn,
    localEecn: 0,
    startingPsn: p.psn,
    responderResources: p.responderResources,
    initiatorDepth: p.initiatorDepth,
    targetAckDelay: caAckDelay,
    failoverAccepted: 0,
    flowControl: p.flowControl ?? 0,
    rnrRetryCount: p.rnrRetryCount,
    srq: p.srq ? 1 : 0,
    localCaGuid: caGuid,
    privateData: checkPrivate('sendRep', p.privateData, REP_PRIVATE_LEN),
  };
}

/** Which message a REJ or MRA from this state is about (IBTA 12.6.6, 12.6.7). */
export function answeredIn(state: CmState): number {
  if (state === 'REQ_RCVD' || state === 'MRA_REQ_SENT') return CmAnswered.REQ;
  if (state === 'REP_RCVD' || state === 'MRA_REP_SENT') return CmAnswered.REP;
  return CmAnswered.OTHER;
}

export function rejOf(
  localId: number,
  remoteId: number,
  rejected: number,
  reason: number,
  info: Uint8Array = NO_BYTES,
  privateData?: Uint8Array,
): CmRej {
  if (info.length > REJ_INFO_LEN) {
    throw new VerbsError('sendRej', 'EINVAL', `${info.length} bytes of information; ${REJ_INFO_LEN} are allowed`);
  }
  const data = checkPrivate('sendRej', privateData, REJ_PRIVATE_LEN);
  const ids = { localCommId: localId, remoteCommId: remoteId };
  return { ...ids, rejected, infoLength: info.length, reason, info, privateData: data };
}

export function sidrRepOf(requestId: number, serviceId: bigint, p: SidrRepParam): CmSidrRep {
  const { status, qpn = 0, qkey = 0, privateData = NO_BYTES } = p;
  return { requestId, status, infoLength: 0, qpn, serviceId, qkey, info: NO_BYTES, privateData };
}
