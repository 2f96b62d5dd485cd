// Alternate paths: LAP, APR (IBTA vol. 1 sections 12.8.1, 12.8.2).
import { bits, bytes, type Layout, u8, u16, u24, u32 } from './cm-layout.ts';

/** Status of an APR (IBTA table 117). */
export const ApStatus = { SUCCESS: 0, INVALID_COMM_ID: 1, UNSUPPORTED: 2, REJECTED: 3, REDIRECT: 4 } as const;

export interface CmLap {
  localCommId: number;
  remoteCommId: number;
  remoteQpn: number;
  remoteCmResponseTimeout: number;
  alternateLocalLid: number;
  alternateRemoteLid: number;
  alternateLocalGid: Uint8Array;
  alternateRemoteGid: Uint8Array;
  alternateFlowLabel: number;
  alternateTrafficClass: number;
  alternateHopLimit: number;
  alternatePacketRate: number;
  alternateSl: number;
  alternateSubnetLocal: number;
  alternateAckTimeout: number;
  privateData: Uint8Array;
}

export const LAP_LAYOUT: Layout<CmLap> = {
  localCommId: u32(0),
  remoteCommId: u32(4),
  remoteQpn: u24(12),
  remoteCmResponseTimeout: bits(15, 0, 5),
  alternateLocalLid: u16(20),
  alternateRemoteLid: u16(22),
  alternateLocalGid: bytes(24, 16),
  alternateRemoteGid: bytes(40, 16),
  alternateFlowLabel: bits(56, 0, 20),
  alternateTrafficClass: u8(59),
  alternateHopLimit: u8(60),
  alternatePacketRate: bits(61, 2, 6),
  alternateSl: bits(62, 0, 4),
  alternateSubnetLocal: bits(62, 4, 1),
  alternateAckTimeout: bits(63, 0, 5),
  privateData: bytes(64, 168),
};

export interface CmApr {
  localCommId: number;
  remoteCommId: number;
  infoLength: number;
  /** {@link ApStatus} */
  status: number;
  info: Uint8Array;
  privateData: Uint8Array;
}

export const APR_LAYOUT: Layout<CmApr> = {
  localCommId: u32(0),
  remoteCommId: u32(4),
  infoLength: u8(8),
  status: u8(9),
  info: bytes(12, 72),
  privateData: bytes(84, 148),
};
