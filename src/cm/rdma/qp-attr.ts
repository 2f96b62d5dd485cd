// What a queue pair of a connection is to be set to on its way to RTS (`rdma_init_qp_attr`).
import { Access, QpAttrMask, QpState, QpType } from '../../core/constants.ts';
import type { QpAttr } from '../../core/qp.ts';
import { CmTransport } from '../../wire/cm-connect.ts';
import type { IbCmId } from '../ib/id.ts';

const A = QpAttrMask;

export interface QpAttrSet {
  readonly attr: Partial<QpAttr>;
  readonly mask: number;
}

/** Q_Key of the UDP port space (`RDMA_UDP_QKEY`). */
export const RDMA_UDP_QKEY = 0x01234567;

/** As Linux's cm_init_qp_init_attr, cm_init_qp_rtr_attr and cm_init_qp_rts_attr; null when the state is none of these. */
export function connectedQpAttr(id: IbCmId, state: number, rqPsn: number, ackTimeout: number | null): QpAttrSet | null {
  const rc = id.transport === CmTransport.RC;
  if (state === QpState.INIT) {
    let accessFlags: number = Access.REMOTE_WRITE;
    if (id.responderResources > 0) accessFlags |= Access.REMOTE_READ | Access.REMOTE_ATOMIC;
    return {
      attr: { state, accessFlags: rc ? accessFlags : Access.REMOTE_WRITE, pkeyIndex: 0, port: 1 },
      mask: A.STATE | A.ACCESS_FLAGS | A.PKEY_INDEX | A.PORT,
    };
  }
  if (state === QpState.RTR) {
    const { av, pathMtu, remoteQpn: destQpn } = id;
    const mask = A.STATE | A.AV | A.PATH_MTU | A.DEST_QPN | A.RQ_PSN;
    const attr = { state, av, pathMtu, destQpn, rqPsn };
    if (!rc) return { attr, mask };
    return {
      attr: { ...attr, maxDestRdAtomic: id.responderResources, minRnrTimer: 0 },
      mask: mask | A.MAX_DEST_RD_ATOMIC | A.MIN_RNR_TIMER,
    };
  }
  if (state !== QpState.RTS) return null;
  const mask = A.STATE | A.SQ_PSN;
  if (!rc) return { attr: { state, sqPsn: id.sqPsn }, mask };
  return {
    attr: {
      state,
      sqPsn: id.sqPsn,
      timeout: ackTimeout ?? id.ackTimeout,
      retryCnt: id.retryCount,
      rnrRetry: id.rnrRetryCount,
      maxRdAtomic: id.initiatorDepth,
    },
    mask: mask | A.TIMEOUT | A.RETRY_CNT | A.RNR_RETRY | A.MAX_QP_RD_ATOMIC,
  };
}

/** For UD, where nothing depends on the peer. */
export function datagramQpAttr(state: number, qkey: number, sqPsn: number): QpAttrSet | null {
  if (state === QpState.INIT) {
    return { attr: { state, pkeyIndex: 0, port: 1, qkey }, mask: A.STATE | A.PKEY_INDEX | A.PORT | A.QKEY };
  }
  if (state === QpState.RTR) return { attr: { state }, mask: A.STATE };
  if (state === QpState.RTS) return { attr: { state, sqPsn }, mask: A.STATE | A.SQ_PSN };
  return null;
}

/** Before the communication exists: what INIT needs is known. */
export function earlyQpAttr(type: number, qkey: number): QpAttrSet {
  if (type === QpType.UD) return datagramQpAttr(QpState.INIT, qkey, 0)!;
  const accessFlags = Access.REMOTE_WRITE | Access.REMOTE_READ | Access.REMOTE_ATOMIC;
  const attr = { state: QpState.INIT, accessFlags, pkeyIndex: 0, port: 1 };
  return { attr, mask: A.STATE | A.ACCESS_FLAGS | A.PKEY_INDEX | A.PORT };
}
