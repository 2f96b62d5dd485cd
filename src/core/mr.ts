import type { Memory } from './memory.ts';
import { VerbsObject } from './object.ts';
import type { ProtectionDomain } from './pd.ts';
import type { QueuePair } from './qp.ts';

/** A registered memory region: bytes that the device may reach under a key, with rights. */
export class MemoryRegion extends VerbsObject {
  readonly kind = 'mr';
  pd: ProtectionDomain;
  memory: Memory;
  /** What a work request's address counts from: the virtual address of the first byte, 0 when zero-based, or as registered. */
  iova: number;
  length: number;
  /** Bits of `Access`. */
  access: number;
  lkey = 0;
  rkey = 0;

  constructor(pd: ProtectionDomain, memory: Memory, iova: number, length: number, access: number) {
    super(pd.context);
    this.pd = pd;
    this.memory = memory;
    this.iova = iova;
    this.length = length;
    this.access = access;
  }
}

/** A memory window: a right to a part of a region that can be granted and taken back without registering anew. */
export class MemoryWindow extends VerbsObject {
  readonly kind = 'mw';
  readonly pd: ProtectionDomain;
  /** `MwType`: type 1 is bound by the verb bind_mw, type 2 by a work request and belongs to one QP. */
  readonly type: number;
  rkey = 0;
  /** The region it is bound to; null while it is not bound (or, type 2, invalidated). */
  mr: MemoryRegion | null = null;
  /** The queue pair that a type 2 window is bound to. */
  qp: QueuePair | null = null;
  /** First address and bytes of the window: in the region's addresses, or from 0 when bound ZERO_BASED. */
  addr = 0;
  length = 0;
  access = 0;
  /** Offset of the window's first byte in the region. */
  offset = 0;

  constructor(pd: ProtectionDomain, type: number) {
    super(pd.context);
    this.pd = pd;
    this.type = type;
  }

  /** Grants `length` bytes of `mr`, `offset` from its start, as `addr` onwards. The region has one user more. */
  bind(mr: MemoryRegion, offset: number, addr: number, length: number, access: number, qp: QueuePair | null): void {
    mr.users++;
    this.unbind();
    this.mr = mr;
    this.qp = qp;
    this.addr = addr;
    this.length = length;
    this.access = access;
    this.offset = offset;
  }

  /** Takes back what was granted. */
  unbind(): void {
    if (this.mr !== null) this.mr.users--;
    this.mr = null;
    this.qp = null;
    this.addr = 0;
    this.length = 0;
    this.access = 0;
    this.offset = 0;
  }
}
