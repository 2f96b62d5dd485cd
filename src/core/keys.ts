// The device's table of memory keys: who may reach which bytes is decided here, for every driver.
import { randomInt } from 'node:crypto';
import { Access, MwType } from './constants.ts';
import type { Memory } from './memory.ts';
import { MemoryRegion, MemoryWindow } from './mr.ts';
import type { ProtectionDomain } from './pd.ts';
import type { QueuePair } from './qp.ts';

/**
 * Keys are random, so that one cannot be guessed from another. The upper 24 bits are what is unique; the low 8 bits of a
 * window's key change as it is bound, at its consumer's choice (`ibv_inc_rkey`).
 */
export class KeyTable {
  /** By the upper 24 bits, as a signed number: that is none on the heap. */
  private readonly entries = new Map<number, MemoryRegion | MemoryWindow>();
  /** The result of the last check that succeeded: the memory, and the offset of the address in it. */
  memory: Memory | null = null;
  offset = 0;
  region: MemoryRegion | null = null;

  /** Keys in use. */
  get size(): number {
    return this.entries.size;
  }

  /** A key that is free, for `entry`. */
  insert(entry: MemoryRegion | MemoryWindow): number {
    for (;;) {
      const index = randomInt(1, 1 << 24) << 8;
      if (this.entries.has(index)) continue;
      this.entries.set(index, entry);
      return (index | randomInt(1 << 8)) >>> 0;
    }
  }

  remove(key: number): void {
    this.entries.delete(key & ~0xff);
    // The last check's result must not keep alive, or give access to, what is gone.
    this.memory = null;
    this.region = null;
  }

  find(key: number): MemoryRegion | MemoryWindow | undefined {
    return this.entries.get(key & ~0xff);
  }

  /** May a work request of `pd` reach `length` bytes at `addr` under `lkey`, to write them if `write`? */
  local(lkey: number, pd: ProtectionDomain, addr: number, length: number, write: boolean): boolean {
    const mr = this.entries.get(lkey & ~0xff);
    if (!(mr instanceof MemoryRegion) || mr.lkey !== lkey || mr.pd !== pd) return false;
    if (write && (mr.access & Access.LOCAL_WRITE) === 0) return false;
    if (!within(addr, length, mr.iova, mr.length)) return false;
    this.memory = mr.memory;
    this.offset = addr - mr.iova;
    this.region = mr;
    return true;
  }

  /** May `qp`'s peer reach `length` bytes at `addr` under `rkey` with `access` (one `Access` bit)? IBTA 9.7.4.1.5. */
  remote(rkey: number, qp: QueuePair, addr: number, length: number, access: number): boolean {
    const entry = this.entries.get(rkey & ~0xff);
    // Regions: C10-56, C10-57; windows: C10-76.2.1 (for a type 2 one the rule below says more), C10-77.
    if (entry === undefined || entry.rkey !== rkey || entry.pd !== qp.pd || (entry.access & access) === 0) return false;
    if (entry instanceof MemoryWindow) {
      const mr = entry.mr;
      if (mr === null) return false;
      // o10-37.2.43: a type 2A window is reached through the queue pair it is bound to alone.
      if (entry.type === MwType.TYPE_2 && entry.qp !== qp) return false;
      if (!within(addr, length, entry.addr, entry.length)) return false;
      this.memory = mr.memory;
      this.offset = entry.offset + (addr - entry.addr);
      this.region = mr;
      return true;
    }
    if (!within(addr, length, entry.iova, entry.length)) return false;
    this.memory = entry.memory;
    this.offset = addr - entry.iova;
    this.region = entry;
    return true;
  }
}

/**
 * Do `length` bytes at `addr` lie in the `size` bytes at `start`? Both were numbers off the wire or out of a program's
 * ring: comparisons are written so that NaN fails them, and what is no safe integer fails too, so that no sum is rounded
 * into the range. (`start + size` is a safe integer since registration.)
 */
function within(addr: number, length: number, start: number, size: number): boolean {
  if (!Number.isSafeInteger(addr) || !Number.isSafeInteger(length)) return false;
  const offset = addr - start;
  return offset >= 0 && length >= 0 && length <= size - offset;
}
