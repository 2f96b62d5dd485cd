// Work requests and work completions, as posted and polled in this process.
import type { AddressHandle } from './ah.ts';
import type { MemoryRegion, MemoryWindow } from './mr.ts';

/** `struct ibv_sge`: `addr` counts as the region was registered (its virtual address, or from 0 when zero-based). */
export interface Sge {
  addr: number;
  length: number;
  lkey: number;
}

/** `struct ibv_send_wr`. All fields are always there, so that the engine meets one shape of object. */
export class SendWr {
  /** A safe integer; comes back in the completion. */
  wrId = 0;
  /** `WrOpcode` */
  opcode = 0;
  /** Bits of `SendFlags` */
  flags = 0;
  sge: Sge[] = [];
  numSge = 0;
  /** With SendFlags.INLINE: the bytes themselves, instead of `sge`. */
  inline: Uint8Array | null = null;
  /** Immediate data (a 32-bit number, sent big-endian), or the key to invalidate. */
  imm = 0;
  remoteAddr: number | bigint = 0;
  rkey = 0;
  compareAdd = 0n;
  /** ATOMIC_CMP_AND_SWP: what to store if equal; ATOMIC_WRITE: what to store. */
  swap = 0n;
  /** FLUSH: placement type (`FlushType`), selectivity level (`FlushLevel`), bytes. */
  flushType = 0;
  flushLevel = 0;
  flushLength = 0;
  /** UD */
  ah: AddressHandle | null = null;
  remoteQpn = 0;
  remoteQkey = 0;
  /** BIND_MW */
  mw: MemoryWindow | null = null;
  bindMr: MemoryRegion | null = null;
  bindAddr = 0;
  bindLength = 0;
  bindAccess = 0;
  /** The window's new key: its own with the low 8 bits as the consumer chooses. */
  bindRkey = 0;
}

/** `struct ibv_recv_wr` */
export class RecvWr {
  wrId = 0;
  sge: Sge[] = [];
  numSge = 0;
}

/** `struct ibv_wc`: what became of a work request. Filled in place by pollCq. */
export class WorkCompletion {
  wrId = 0;
  /** `WcStatus` */
  status = 0;
  /** `WcOpcode`; with another status than SUCCESS only wrId, status, qpn and vendorErr mean something. */
  opcode = 0;
  vendorErr = 0;
  byteLen = 0;
  /** Immediate data, or the key that was invalidated: see `flags`. */
  imm = 0;
  qpn = 0;
  srcQp = 0;
  /** Bits of `WcFlags` */
  flags = 0;
  pkeyIndex = 0;
  /** UD, on fabrics that have LIDs: the sender's LID, and the service level that the datagram came with. */
  slid = 0;
  sl = 0;
}
