// Establishing a connection: REQ, REP, RTU (IBTA vol. 1 sections 12.6.5, 12.6.8, 12.6.9).
import { bits, bytes, type Layout, u8, u16, u24, u32, u64 } from './cm-layout.ts';

/** Bytes of private data each may carry. */
export const REQ_PRIVATE_LEN = 92;
export const REP_PRIVATE_LEN = 196;
export const RTU_PRIVATE_LEN = 224;

/** Transport service type of a REQ (IBTA 12.6.5); 3 is XRC by its extended type. */
export const CmTransport = { RC: 0, UC: 1, RD: 2, EXTENDED: 3 } as const;

export interface CmReq {
  localCommId: number;
  serviceId: bigint;
  localCaGuid: Uint8Array;
  localQkey: number;
  localQpn: number;
  /** READs and atomics that it can take in at a time. */
  responderResources: number;
  localEecn: number;
  /** READs and atomics that it will have outstanding. */
  initiatorDepth: number;
  remoteEecn: number;
  /** How long the peer may take to answer: 4.096 µs times two to this. */
  remoteCmResponseTimeout: number;
  transportType: number;
  flowControl: number;
  /** The PSN that the peer shall begin to send with. */
  startingPsn: number;
  localCmResponseTimeout: number;
  retryCount: number;
  pkey: number;
  /** `Mtu` enumeration. */
  pathMtu: number;
  rdcExists: number;
  rnrRetryCount: number;
  maxCmRetries: number;
  srq: number;
  extendedTransport: number;
  primaryLocalLid: number;
  primaryRemoteLid: number;
  primaryLocalGid: Uint8Array;
  primaryRemoteGid: Uint8Array;
  primaryFlowLabel: number;
  primaryPacketRate: number;
  primaryTrafficClass: number;
  primaryHopLimit: number;
  primarySl: number;
  primarySubnetLocal: number;
  primaryAckTimeout: number;
  alternateLocalLid: number;
  alternateRemoteLid: number;
  alternateLocalGid: Uint8Array;
  alternateRemoteGid: Uint8Array;
  alternateFlowLabel: number;
  alternatePacketRate: number;
  alternateTrafficClass: number;
  alternateHopLimit: number;
  alternateSl: number;
  alternateSubnetLocal: number;
  alternateAckTimeout: number;
  sapSupported: number;
  privateData: Uint8Array;
}

export const REQ_LAYOUT: Layout<CmReq> = {
  localCommId: u32(0),
  serviceId: u64(8),
  localCaGuid: bytes(16, 8),
  localQkey: u32(28),
  localQpn: u24(32),
  responderResources: u8(35),
  localEecn: u24(36),
  initiatorDepth: u8(39),
  remoteEecn: u24(40),
  remoteCmResponseTimeout: bits(43, 0, 5),
  transportType: bits(43, 5, 2),
  flowControl: bits(43, 7, 1),
  startingPsn: u24(44),
  localCmResponseTimeout: bits(47, 0, 5),
  retryCount: bits(47, 5, 3),
  pkey: u16(48),
  pathMtu: bits(50, 0, 4),
  rdcExists: bits(50, 4, 1),
  rnrRetryCount: bits(50, 5, 3),
  maxCmRetries: bits(51, 0, 4),
  srq: bits(51, 4, 1),
  extendedTransport: bits(51, 5, 3),
  primaryLocalLid: u16(52),
  primaryRemoteLid: u16(54),
  primaryLocalGid: bytes(56, 16),
  primaryRemoteGid: bytes(72, 16),
  primaryFlowLabel: bits(88, 0, 20),
  primaryPacketRate: bits(91, 2, 6),
  primaryTrafficClass: u8(92),
  primaryHopLimit: u8(93),
  primarySl: bits(94, 0, 4),
  primarySubnetLocal: bits(94, 4, 1),
  primaryAckTimeout: bits(95, 0, 5),
  alternateLocalLid: u16(96),
  alternateRemoteLid: u16(98),
  alternateLocalGid: bytes(100, 16),
  alternateRemoteGid: bytes(116, 16),
  alternateFlowLabel: bits(132, 0, 20),
  alternatePacketRate: bits(135, 2, 6),
  alternateTrafficClass: u8(136),
  alternateHopLimit: u8(137),
  alternateSl: bits(138, 0, 4),
  alternateSubnetLocal: bits(138, 4, 1),
  alternateAckTimeout: bits(139, 0, 5),
  sapSupported: bits(139, 5, 1),
  privateData: bytes(140, REQ_PRIVATE_LEN),
};

export interface CmRep {
  localCommId: number;
  remoteCommId: number;
  localQkey: number;
  localQpn: number;
  localEecn: number;
  startingPsn: number;
  responderResources: number;
  initiatorDepth: number;
  targetAckDelay: number;
  failoverAccepted: number;
  flowControl: number;
  rnrRetryCount: number;
  srq: number;
  localCaGuid: Uint8Array;
  privateData: Uint8Array;
}

export const REP_LAYOUT: Layout<CmRep> = {
  localCommId: u32(0),
  remoteCommId: u32(4),
  localQkey: u32(8),
  localQpn: u24(12),
  localEecn: u24(16),
  startingPsn: u24(20),
  responderResources: u8(24),
  initiatorDepth: u8(25),
  targetAckDelay: bits(26, 0, 5),
  failoverAccepted: bits(26, 5, 2),
  flowControl: bits(26, 7, 1),
  rnrRetryCount: bits(27, 0, 3),
  srq: bits(27, 3, 1),
  localCaGuid: bytes(28, 8),
  privateData: bytes(36, REP_PRIVATE_LEN),
};

export interface CmRtu {
  localCommId: number;
  remoteCommId: number;
  privateData: Uint8Array;
}

export const RTU_LAYOUT: Layout<CmRtu> = {
  localCommId: u32(0),
  remoteCommId: u32(4),
  privateData: bytes(8, RTU_PRIVATE_LEN),
};
