// Numbers for descriptors in the reserved range.
import { describeFd } from '../os/process-status.ts';
import type { Part } from './fd-range.ts';

/** The lowest number from `atLeast` on that thread `tid` has free in a part of the range; -1: none. */
export function freeSlot(tid: number, range: Part, atLeast: number): number {
  for (let fd = Math.max(range.low, atLeast); fd < range.high; fd++) if (describeFd(tid, fd) === null) return fd;
  return -1;
}
