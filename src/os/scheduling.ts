import { closeSync, openSync, readSync } from 'node:fs';
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

/** Tells how long the calling thread has waited for a CPU while it could have run; -1 where the kernel does not say. */
export class RunDelay {
  readonly #fd: number;
  readonly #buf: Buffer;

  constructor() {
    this.#buf = Buffer.alloc(128);
    let fd = -1;
    try {
      fd = openSync('/proc/thread-self/schedstat', 'r');
    } catch {
      // CONFIG_SCHED_INFO is not set.
    }
    this.#fd = fd;
  }

  /** Microseconds since the thread was started. */
  read(): number {
    if (this.#fd === -1) return -1;
    const length = readSync(this.#fd, this.#buf, 0, this.#buf.length, 0);
    return Number(this.#buf.toString('latin1', 0, length).split(' ')[1]) / 1000;
  }

  close(): void {
    if (this.#fd !== -1) closeSync(this.#fd);
  }
}
