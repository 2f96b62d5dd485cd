// Asking for patience and refusing: MRA, REJ (IBTA vol. 1 sections 12.6.6, 12.6.7).
import { bits, bytes, type Layout, u16, u32 } from './cm-layout.ts';

export const MRA_PRIVATE_LEN = 222;
export const REJ_PRIVATE_LEN = 148;
export const REJ_INFO_LEN = 72;

/** Which message is meant by a MRA or REJ. */
export const CmAnswered = { REQ: 0, REP: 1, OTHER: 2 } as const;

/** Why a message is rejected (IBTA table 109; `enum ib_cm_rej_reason`). */
export const RejReason = {
  NO_QP: 1,
  NO_EEC: 2,
  NO_RESOURCES: 3,
  TIMEOUT: 4,
  UNSUPPORTED: 5,
  INVALID_COMM_ID: 6,
  INVALID_COMM_INSTANCE: 7,
  INVALID_SERVICE_ID: 8,
  INVALID_TRANSPORT_TYPE: 9,
  STALE_CONN: 10,
  RDC_NOT_EXIST: 11,
  INVALID_GID: 12,
  INVALID_LID: 13,
  INVALID_SL: 14,
  INVALID_TRAFFIC_CLASS: 15,
  INVALID_HOP_LIMIT: 16,
  INVALID_PACKET_RATE: 17,
  INVALID_ALT_GID: 18,
  INVALID_ALT_LID: 19,
  INVALID_ALT_SL: 20,
  INVALID_ALT_TRAFFIC_CLASS: 21,
  INVALID_ALT_HOP_LIMIT: 22,
  INVALID_ALT_PACKET_RATE: 23,
  PORT_CM_REDIRECT: 24,
  PORT_REDIRECT: 25,
  INVALID_MTU: 26,
  INSUFFICIENT_RESP_RESOURCES: 27,
  CONSUMER_DEFINED: 28,
  INVALID_RNR_RETRY: 29,
  DUPLICATE_LOCAL_COMM_ID: 30,
  INVALID_CLASS_VERSION: 31,
  INVALID_FLOW_LABEL: 32,
  INVALID_ALT_FLOW_LABEL: 33,
} as const;
export type RejReasonName = keyof typeof RejReason;

export interface CmMra {
  localCommId: number;
  remoteCommId: number;
  /** {@link CmAnswered} */
  answered: number;
  /** The sender needs so long: 4.096 µs times two to this. */
  serviceTimeout: number;
  privateData: Uint8Array;
}

export const MRA_LAYOUT: Layout<CmMra> = {
  localCommId: u32(0),
  remoteCommId: u32(4),
  answered: bits(8, 0, 2),
  serviceTimeout: bits(9, 0, 5),
  privateData: bytes(10, MRA_PRIVATE_LEN),
};

export interface CmRej {
  localCommId: number;
  remoteCommId: number;
  /** {@link CmAnswered} */
  rejected: number;
  infoLength: number;
  /** {@link RejReason} */
  reason: number;
  info: Uint8Array;
  privateData: Uint8Array;
}

export const REJ_LAYOUT: Layout<CmRej> = {
  localCommId: u32(0),
  remoteCommId: u32(4),
  rejected: bits(8, 0, 2),
  infoLength: bits(9, 0, 7),
  reason: u16(10),
  info: bytes(12, REJ_INFO_LEN),
  privateData: bytes(84, REJ_PRIVATE_LEN),
};
