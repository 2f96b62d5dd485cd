import { constants } from 'node:os';
import { libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';

const SIG_BLOCK = 0;
/** sigset_t of glibc and musl: bit n - 1 for signal n. */
const SIGSET_BYTES = 128;

/** Those that tell a thread of what it has done itself. */
const KEPT = ['SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGTRAP', 'SIGSYS', 'SIGPROF'] as const;

/** Has the process's signals delivered to its other threads, so that none interrupts a system call of the calling one. */
export function leaveSignalsToOthers(): void {
  const set = allocate(SIGSET_BYTES).fill(0xff);
  for (const name of KEPT) {
    const bit = constants.signals[name] - 1;
    set[bit >> 3] &= ~(1 << (bit & 7));
  }
  libc().pthread_sigmask(SIG_BLOCK, addressOf(set), 0);
}
