// Work requests as a program writes them, and the form that the engine takes.
import { FlushLevel, FlushType, SendFlags, WrOpcode, type WrOpcodeName } from '../core/constants.ts';
import { VerbsError } from '../core/errors.ts';
import { RecvWr, SendWr, type Sge } from '../core/work.ts';
import type { AddressHandle } from './ah.ts';

export { RecvWr, SendWr, type Sge };

/** A send work request (`struct ibv_send_wr`). Which fields count depends on the opcode. */
export interface SendRequest {
  readonly opcode: Exclude<WrOpcodeName, 'BIND_MW'>;
  /** A safe integer that comes back in the completion. Default 0. */
  readonly wrId?: number;
  /** What is sent or written, or where a READ or atomic operation puts its result. */
  readonly sge?: Sge | readonly Sge[];
  /** Bytes copied at once, instead of `sge`; up to the QP's maxInlineData. */
  readonly inline?: Uint8Array;
  /** Ask for a completion. Default true (unlike C, where one asks with IBV_SEND_SIGNALED). */
  readonly signaled?: boolean;
  /** Raise a solicited event at the receiver. */
  readonly solicited?: boolean;
  /** Wait for earlier READs and atomics of this QP. */
  readonly fence?: boolean;
  /** SEND_WITH_IMM, RDMA_WRITE_WITH_IMM: 32 bits. */
  readonly imm?: number;
  /** SEND_WITH_INV, LOCAL_INV: the key to invalidate. */
  readonly invalidateRkey?: number;
  /** RDMA and atomic operations. An address above 2^53, as kernels have them, is a bigint. */
  readonly remoteAddr?: number | bigint;
  readonly rkey?: number;
  /** ATOMIC_FETCH_AND_ADD: what to add. ATOMIC_CMP_AND_SWP: what to compare with. */
  readonly compareAdd?: bigint;
  /** ATOMIC_CMP_AND_SWP: what to store if equal. ATOMIC_WRITE: what to store. */
  readonly swap?: bigint;
  /** FLUSH: how many bytes from remoteAddr on, the whole region unless given; until they can be seen, or are persistent. */
  readonly flush?: { readonly length?: number; readonly persistent?: boolean };
  /** UD: where to. */
  readonly ah?: AddressHandle;
  readonly remoteQpn?: number;
  readonly remoteQkey?: number;
}

/** A receive work request (`struct ibv_recv_wr`). */
export interface RecvRequest {
  readonly wrId?: number;
  readonly sge?: Sge | readonly Sge[];
}

const NO_SGE: Sge[] = [];

function checkWrId(verb: string, wrId: number): number {
  if (Number.isSafeInteger(wrId) && wrId >= 0) return wrId;
  throw new VerbsError(verb, 'EINVAL', `wrId ${wrId}: an integer from 0 to 2^53-1 is allowed`);
}

function checkAddress(name: string, value: number | bigint): number | bigint {
  if (typeof value === 'bigint' ? value >= 0n && value < 1n << 64n : Number.isSafeInteger(value) && value >= 0)
    return value;
  throw new VerbsError(
    'postSend',
    'EINVAL',
    `${name} ${value}: an integer from 0 to 2^53-1 is allowed, or a bigint below 2^64`,
  );
}

/** Fills `wr` from a request, so that it can be posted again and again without being built anew. */
export function fillSend(wr: SendWr, request: SendRequest): SendWr {
  const opcode = WrOpcode[request.opcode];
  if (opcode === undefined) {
    throw new VerbsError(
      'postSend',
      'EINVAL',
      `opcode "${request.opcode}"; there are ${Object.keys(WrOpcode).join(', ')}`,
    );
  }
  wr.opcode = opcode;
  wr.wrId = checkWrId('postSend', request.wrId ?? 0);
  wr.inline = request.inline ?? null;
  wr.flags =
    ((request.signaled ?? true) ? SendFlags.SIGNALED : 0) |
    (request.solicited ? SendFlags.SOLICITED : 0) |
    (request.fence ? SendFlags.FENCE : 0) |
    (request.inline === undefined ? 0 : SendFlags.INLINE);
  wr.sge = sges(request.sge);
  wr.numSge = wr.sge.length;
  wr.imm = (request.imm ?? request.invalidateRkey ?? 0) >>> 0;
  wr.remoteAddr = checkAddress('remoteAddr', request.remoteAddr ?? 0);
  wr.rkey = request.rkey ?? 0;
  wr.compareAdd = request.compareAdd ?? 0n;
  wr.swap = request.swap ?? 0n;
  wr.flushType = request.flush?.persistent ? FlushType.PERSISTENT : FlushType.GLOBAL;
  wr.flushLevel = request.flush?.length === undefined ? FlushLevel.MR : FlushLevel.RANGE;
  wr.flushLength = request.flush?.length ?? 0;
  wr.ah = request.ah?.core ?? null;
  wr.remoteQpn = request.remoteQpn ?? 0;
  wr.remoteQkey = request.remoteQkey ?? 0;
  return wr;
}

export function fillRecv(wr: RecvWr, request: RecvRequest): RecvWr {
  wr.wrId = checkWrId('postRecv', request.wrId ?? 0);
  wr.sge = sges(request.sge);
  wr.numSge = wr.sge.length;
  return wr;
}

function sges(sge: Sge | readonly Sge[] | undefined): Sge[] {
  if (sge === undefined) return NO_SGE;
  return Array.isArray(sge) ? sge : [sge as Sge];
}
