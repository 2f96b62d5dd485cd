// Which queue pair serves a service id: SIDR_REQ, SIDR_REP (IBTA vol. 1 sections 12.11.1, 12.11.2).
import { bytes, type Layout, u8, u16, u24, u32, u64 } from './cm-layout.ts';

export const SIDR_REQ_PRIVATE_LEN = 216;
export const SIDR_REP_PRIVATE_LEN = 136;

/** Status of a SIDR_REP (IBTA table 121; `enum ib_cm_sidr_status`). */
export const SidrStatus = {
  SUCCESS: 0,
  UNSUPPORTED: 1,
  REJECT: 2,
  NO_QP: 3,
  REDIRECT: 4,
  UNSUPPORTED_VERSION: 5,
} as const;

export interface CmSidrReq {
  requestId: number;
  pkey: number;
  serviceId: bigint;
  privateData: Uint8Array;
}

export const SIDR_REQ_LAYOUT: Layout<CmSidrReq> = {
  requestId: u32(0),
  pkey: u16(4),
  serviceId: u64(8),
  privateData: bytes(16, SIDR_REQ_PRIVATE_LEN),
};

export interface CmSidrRep {
  requestId: number;
  /** {@link SidrStatus} */
  status: number;
  infoLength: number;
  qpn: number;
  serviceId: bigint;
  qkey: number;
  info: Uint8Array;
  privateData: Uint8Array;
}

export const SIDR_REP_LAYOUT: Layout<CmSidrRep> = {
  requestId: u32(0),
  status: u8(4),
  infoLength: u8(5),
  qpn: u24(8),
  serviceId: u64(12),
  qkey: u32(20),
  info: bytes(24, 72),
  privateData: bytes(96, SIDR_REP_PRIVATE_LEN),
};
