import { libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';
import { syscallTable } from './syscalls.ts';

/** struct sched_attr (uapi/linux/sched/types.h), its first version, and where sched_runtime is. */
const SCHED_ATTR_BYTES = 48;
const RUNTIME = 24;

/**
 * Asks for short turns on the CPU for the calling thread: Linux (6.12) then lets it run soon after it has been woken even if
 * others keep all CPUs busy, and takes the CPU away from it sooner. It needs no privilege. False where that is not to be had.
 */
export function askForShortTurns(nanoseconds: number): boolean {
  const { syscall } = libc();
  const { nr } = syscallTable();
  const attr = allocate(SCHED_ATTR_BYTES);
  const at = addressOf(attr);
  if (syscall(nr.sched_getattr, 0, at, SCHED_ATTR_BYTES, 0, 0, 0) === -1) return false;
  attr.writeBigUInt64LE(BigInt(nanoseconds), RUNTIME);
  return syscall(nr.sched_setattr, 0, at, 0, 0, 0, 0) === 0;
}
