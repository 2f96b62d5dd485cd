// Ending a connection: DREQ, DREP (IBTA vol. 1 sections 12.6.10, 12.6.11).
import { bytes, type Layout, u24, u32 } from './cm-layout.ts';

export const DREQ_PRIVATE_LEN = 220;
export const DREP_PRIVATE_LEN = 224;

export interface CmDreq {
  localCommId: number;
  remoteCommId: number;
  remoteQpn: number;
  privateData: Uint8Array;
}

export const DREQ_LAYOUT: Layout<CmDreq> = {
  localCommId: u32(0),
  remoteCommId: u32(4),
  remoteQpn: u24(8),
  privateData: bytes(12, DREQ_PRIVATE_LEN),
};

export interface CmDrep {
  localCommId: number;
  remoteCommId: number;
  privateData: Uint8Array;
}

export const DREP_LAYOUT: Layout<CmDrep> = {
  localCommId: u32(0),
  remoteCommId: u32(4),
  privateData: bytes(8, DREP_PRIVATE_LEN),
};
