// Events of rdma_cm ids, with the names, numbers and contents of <rdma/rdma_cma.h>.
import type { AddressVector } from '../../core/ah.ts';
import type { RdmaCmId } from './id.ts';

/** `enum rdma_cm_event_type` */
export const CmEventType = {
  ADDR_RESOLVED: 0,
  ADDR_ERROR: 1,
  ROUTE_RESOLVED: 2,
  ROUTE_ERROR: 3,
  CONNECT_REQUEST: 4,
  CONNECT_RESPONSE: 5,
  CONNECT_ERROR: 6,
  UNREACHABLE: 7,
  REJECTED: 8,
  ESTABLISHED: 9,
  DISCONNECTED: 10,
  DEVICE_REMOVAL: 11,
  MULTICAST_JOIN: 12,
  MULTICAST_ERROR: 13,
  ADDR_CHANGE: 14,
  TIMEWAIT_EXIT: 15,
} as const;
export type CmEventName = keyof typeof CmEventType;

/** `struct rdma_conn_param`, as the peer gave it. */
export interface ConnParam {
  readonly privateData: Uint8Array;
  readonly responderResources: number;
  readonly initiatorDepth: number;
  readonly flowControl: number;
  readonly retryCount: number;
  readonly rnrRetryCount: number;
  readonly srq: number;
  /** The peer's queue pair. */
  readonly qpNum: number;
}

/** `struct rdma_ud_param` */
export interface UdParam {
  readonly privateData: Uint8Array;
  readonly ahAttr: AddressVector;
  readonly qpNum: number;
  readonly qkey: number;
}

/** `struct rdma_cm_event` */
export interface RdmaCmEvent {
  readonly type: CmEventName;
  readonly id: RdmaCmId;
  /** CONNECT_REQUEST: who listens; `id` is then a new one. */
  readonly listenId: RdmaCmId | null;
  /** 0, a negated errno, or (REJECTED) the reason of the REJ, (UNREACHABLE, of UD) the status of the SIDR_REP. */
  readonly status: number;
  readonly conn: ConnParam | null;
  readonly ud: UdParam | null;
  /** MULTICAST_JOIN and MULTICAST_ERROR: which membership. */
  readonly multicast: unknown;
}
