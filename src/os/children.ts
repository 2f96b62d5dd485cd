// Child processes that are not started through node:child_process: orphans that come to this process.
import { __WALL, P_ALL, P_PID, PR_SET_CHILD_SUBREAPER, WEXITED, WNOHANG, WNOWAIT } from './constants.ts';
import { check, libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';

/** Where si_pid is in siginfo_t on 64-bit systems. */
const SI_PID = 16;

/** Orphaned descendants become children of this process instead of init's. */
export function becomeSubreaper(): void {
  check(libc().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 'prctl');
}

/**
 * Waits for children that have ended, except those of `notOurs`: others wait for these. One of them hides what ended after it:
 * call again when it has been waited for.
 */
export function reapOrphans(notOurs: (pid: number) => boolean): void {
  const { waitid } = libc();
  const info = allocate(128);
  const at = addressOf(info);
  for (;;) {
    info.fill(0);
    if (waitid(P_ALL, 0, at, WEXITED | WNOHANG | WNOWAIT) !== 0) return;
    const pid = info.readInt32LE(SI_PID);
    if (pid === 0 || notOurs(pid)) return;
    waitid(P_PID, pid, at, WEXITED | WNOHANG);
  }
}

/** Has this process children, living or not yet waited for? A subreaper that has none has no descendants. */
export function hasChildren(): boolean {
  return libc().waitid(P_ALL, 0, addressOf(allocate(128)), WEXITED | WNOHANG | WNOWAIT | __WALL) === 0;
}
