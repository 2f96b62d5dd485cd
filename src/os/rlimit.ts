import { readFileSync } from 'node:fs';
import { RLIMIT_NOFILE } from './constants.ts';
import { check, libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';

export interface Limit {
  readonly soft: number;
  readonly hard: number;
}

/** This process's limit on open files (RLIMIT_NOFILE). */
export function openFilesLimit(): Limit {
  const buf = allocate(16);
  check(libc().prlimit(0, RLIMIT_NOFILE, 0, addressOf(buf)), 'prlimit');
  return { soft: Number(buf.readBigUInt64LE(0)), hard: Number(buf.readBigUInt64LE(8)) };
}

/** Sets the soft limit, of all threads. */
export function setOpenFilesLimit(soft: number): void {
  const buf = allocate(32);
  check(libc().prlimit(0, RLIMIT_NOFILE, 0, addressOf(buf)), 'prlimit');
  buf.writeBigUInt64LE(BigInt(soft), 0);
  check(libc().prlimit(0, RLIMIT_NOFILE, addressOf(buf), 0), 'prlimit');
}

/**
 * The soft limit that programs started from where this process was started would have: the parent's, because Node raises its
 * own as it starts. Null when the parent does not tell.
 */
export function parentOpenFilesLimit(): number | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${process.ppid}/limits`, 'latin1');
  } catch {
    return null;
  }
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(text)?.[1];
  if (soft === undefined) return null;
  return soft === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(soft);
}
