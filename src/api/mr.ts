import { Access, ReregFlags } from '../core/constants.ts';
import { VerbsError } from '../core/errors.ts';
import { LocalMemory } from '../core/memory.ts';
import type { MemoryRegion as CoreMr } from '../core/mr.ts';
import { deregMr, reregMr } from '../core/verbs-mr.ts';
import type { Sge } from '../core/work.ts';
import { type AccessRights, accessBits } from './access.ts';

/** Memory that can be registered. A SharedArrayBuffer is seen by worker threads too. */
export type RegisterableMemory = ArrayBufferLike | ArrayBufferView;

/** What a peer needs to reach a region, as plain data to send it. */
export interface RemoteBuffer {
  readonly addr: number;
  readonly length: number;
  readonly rkey: number;
}

/** A registered memory region: made by `pd.regMr`. */
export class MemoryRegion {
  /** @internal */
  readonly core: CoreMr;
  /** The registered bytes. */
  readonly buffer: Buffer;

  /** @internal */
  constructor(core: CoreMr, buffer: Buffer) {
    this.core = core;
    this.buffer = buffer;
  }

  get lkey(): number {
    return this.core.lkey;
  }

  get rkey(): number {
    return this.core.rkey;
  }

  /** Address of the first byte, for work requests here and at the peer. */
  get addr(): number {
    return this.core.iova;
  }

  get length(): number {
    return this.core.length;
  }

  /** A part of the region as a scatter/gather element. */
  sge(offset = 0, length: number = this.length - offset): Sge {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.length)) {
      throw new VerbsError('sge', 'EINVAL', `${length} bytes at ${offset} are not within the region's ${this.length}`);
    }
    return { addr: this.addr + offset, length, lkey: this.lkey };
  }

  /** What to tell a peer that shall READ or WRITE here. */
  remote(offset = 0, length: number = this.length - offset): RemoteBuffer {
    const { addr } = this.sge(offset, length);
    return { addr, length, rkey: this.rkey };
  }

  /** Changes the rights (`ibv_rereg_mr`). EBUSY while windows are bound to it. */
  setAccess(access: AccessRights): void {
    reregMr(this.core, ReregFlags.ACCESS, { access: accessBits('reregMr', access) });
  }

  /** Deregisters it. EBUSY while windows are bound to it. */
  close(): void {
    if (!this.core.destroyed) deregMr(this.core);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** @internal The bytes of what is registered, and the core's way to them. */
export function memoryOf(source: RegisterableMemory): { buffer: Buffer; memory: LocalMemory } {
  const buffer = ArrayBuffer.isView(source)
    ? Buffer.from(source.buffer, source.byteOffset, source.byteLength)
    : Buffer.from(source);
  return { buffer, memory: new LocalMemory(buffer) };
}

export const DEFAULT_ACCESS: number = Access.LOCAL_WRITE;
