// Events as programs read them: struct rdma_ucm_event_resp.
import { CmEventType, type RdmaCmEvent } from '../cm/rdma/events.ts';
import type { AddressVector } from '../core/ah.ts';
import { QpType } from '../core/constants.ts';
import { AhAttr, GlobalRoute } from '../uverbs/layout.ts';
import type { UcmaContext, UcmaMulticast } from './context.ts';
import { ConnParam, EventResp, UdParam } from './layout.ts';

/** An event that waits for its program. */
export interface UcmaEvent {
  /** Whose event it is: of a request, the listener's. */
  readonly context: UcmaContext;
  readonly multicast: UcmaMulticast | null;
  /** CONNECT_REQUEST: the id made for it. */
  readonly child: UcmaContext | null;
  readonly record: Buffer;
}

export function eventRecord(
  event: RdmaCmEvent,
  context: UcmaContext,
  multicast: UcmaMulticast | null,
  child: UcmaContext | null,
): Buffer {
  const record = Buffer.alloc(EventResp.size);
  const { uid } = multicast ?? context;
  record.writeUInt32LE(uid.lo, EventResp.uid);
  record.writeUInt32LE(uid.hi, EventResp.uid + 4);
  record.writeUInt32LE((multicast ?? child ?? context).number, EventResp.id);
  record.writeUInt32LE(CmEventType[event.type], EventResp.event);
  record.writeInt32LE(event.status, EventResp.status);
  if (event.id.qpType === QpType.UD) putUd(record, event);
  else putConn(record, event);
  return record;
}

function putConn(record: Buffer, { conn }: RdmaCmEvent): void {
  if (conn === null) return;
  const at = EventResp.param;
  record.writeUInt32LE(conn.qpNum, at + ConnParam.qpNum);
  putPrivate(record, at + ConnParam.privateData, at + ConnParam.privateDataLen, conn.privateData);
  record[at + ConnParam.srq] = conn.srq;
  record[at + ConnParam.responderResources] = conn.responderResources;
  record[at + ConnParam.initiatorDepth] = conn.initiatorDepth;
  record[at + ConnParam.flowControl] = conn.flowControl;
  record[at + ConnParam.retryCount] = conn.retryCount;
  record[at + ConnParam.rnrRetryCount] = conn.rnrRetryCount;
}

function putUd(record: Buffer, { ud }: RdmaCmEvent): void {
  if (ud === null) return;
  const at = EventResp.param;
  record.writeUInt32LE(ud.qpNum, at + UdParam.qpNum);
  record.writeUInt32LE(ud.qkey, at + UdParam.qkey);
  putAhAttr(record, at + UdParam.ahAttr, ud.ahAttr);
  putPrivate(record, at + UdParam.privateData, at + UdParam.privateDataLen, ud.privateData);
}

function putPrivate(record: Buffer, at: number, lengthAt: number, data: Uint8Array): void {
  record.set(data, at);
  record[lengthAt] = data.length;
}

/** struct ib_uverbs_ah_attr */
export function putAhAttr(into: Buffer, at: number, av: AddressVector): void {
  const grh = at + AhAttr.grh;
  into.set(av.dgid, grh + GlobalRoute.dgid);
  into.writeUInt32LE(av.flowLabel, grh + GlobalRoute.flowLabel);
  into[grh + GlobalRoute.sgidIndex] = av.sgidIndex;
  into[grh + GlobalRoute.hopLimit] = av.hopLimit;
  into[grh + GlobalRoute.trafficClass] = av.trafficClass;
  into.writeUInt16LE(av.dlid, at + AhAttr.dlid);
  into[at + AhAttr.sl] = av.sl;
  into[at + AhAttr.isGlobal] = 1;
  into[at + AhAttr.portNum] = av.port;
}
