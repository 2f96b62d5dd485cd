// The device's table of memory keys: who may reach which bytes is decided here, for every driver.
import { randomInt } from 'node:crypto';
import { Access, MwType, QpType } from './constants.ts';
import type { Memory } from './memory.ts';
import { MemoryRegion, MemoryWindow } from './mr.ts';
import type { ProtectionDomain } from './pd.ts';
import type { QueuePair } from './qp.ts';

/**
 * Keys are random, so that one cannot be guessed from another. The low 8 bits of a type 2 window's key are its consumer's
 * to choose (C10-71 ff.); the upper 24 bits are what is unique.
 */
export class KeyTable {
  private readonly entries = new Map<number, MemoryRegion | MemoryWindow>();
  /** The result of the last check that succeeded: the memory, and the offset of the address in it. */
  memory: Memory | null = null;
  offset = 0;
  region: MemoryRegion | null = null;

  /** A key that is free, for `entry`. */
  insert(entry: MemoryRegion | MemoryWindow): number {
    for (;;) {
      const key = (randomInt(1, 1 << 24) << 8) >>> 0;
      if (this.entries.has(key)) continue;
      this.entries.set(key, entry);
      return key;
    }
  }

  remove(key: number): void {
    this.entries.delete((key & ~0xff) >>> 0);
  }

  find(key: number): MemoryRegion | MemoryWindow | undefined {
    return this.entries.get((key & ~0xff) >>> 0);
  }

  /** May a work request of `pd` reach `length` bytes at `addr` under `lkey`, to write them if `write`? */
  local(lkey: number, pd: ProtectionDomain, addr: number, length: number, write: boolean): boolean {
    const mr = this.entries.get((lkey & ~0xff) >>> 0);
    if (!(mr instanceof MemoryRegion) || mr.lkey !== lkey || mr.pd !== pd) return false;
    if (write && (mr.access & Access.LOCAL_WRITE) === 0) return false;
    const offset = addr - mr.iova;
    if (offset < 0 || offset + length > mr.length) return false;
    this.memory = mr.memory;
    this.offset = offset;
    this.region = mr;
    return true;
  }

  /** May the peer of `qp` reach `length` bytes at `addr` under `rkey` with `access` (one `Access` bit)? C9-90 ff., C10-79. */
  remote(rkey: number, qp: QueuePair, addr: number, length: number, access: number): boolean {
    const entry = this.entries.get((rkey & ~0xff) >>> 0);
    if (entry === undefined || entry.rkey !== rkey || entry.pd !== qp.pd || (entry.access & access) === 0) return false;
    if (entry instanceof MemoryWindow) {
      if (entry.mr === null) return false;
      // o10-37.2.30: a type 2A window is reached through the queue pair it is bound to alone.
      if (entry.type === MwType.TYPE_2 && (entry.qp !== qp || qp.type === QpType.UD)) return false;
      const within = addr - entry.addr;
      if (within < 0 || within + length > entry.length) return false;
      this.memory = entry.mr.memory;
      this.offset = entry.offset + within;
      this.region = entry.mr;
      return true;
    }
    const offset = addr - entry.iova;
    if (offset < 0 || offset + length > entry.length) return false;
    this.memory = entry.memory;
    this.offset = offset;
    this.region = entry;
    return true;
  }
}
