// Buffers of one size in one region: what messages leave from and arrive in.
import { randomInt } from 'node:crypto';
import { Access } from '../../core/constants.ts';
import { LocalMemory } from '../../core/memory.ts';
import type { MemoryRegion } from '../../core/mr.ts';
import type { ProtectionDomain } from '../../core/pd.ts';
import { deregMr, regMr } from '../../core/verbs.ts';
import type { Sge } from '../../core/work.ts';

export class Slots {
  readonly bytes: Buffer;
  readonly size: number;
  private readonly region: MemoryRegion;
  private readonly free: number[] = [];
  private readonly sges: Sge[] = [];

  constructor(pd: ProtectionDomain, count: number, size: number) {
    this.size = size;
    this.bytes = Buffer.from(new ArrayBuffer(count * size));
    this.region = regMr(pd, new LocalMemory(this.bytes), {
      access: Access.LOCAL_WRITE,
      iova: 4096 * randomInt(1, 1 << 20),
    });
    const { iova, lkey } = this.region;
    for (let i = 0; i < count; i++) this.sges.push({ addr: iova + this.at(i), length: size, lkey });
    for (let i = count - 1; i >= 0; i--) this.free.push(i);
  }

  /** A slot that is free, or -1. */
  take(): number {
    return this.free.pop() ?? -1;
  }

  give(slot: number): void {
    this.free.push(slot);
  }

  at(slot: number): number {
    return slot * this.size;
  }

  /** The slot's own, until it is asked for the next time. */
  sge(slot: number, length = this.size): Sge {
    const sge = this.sges[slot];
    sge.length = length;
    return sge;
  }

  close(): void {
    deregMr(this.region);
  }
}
