// Where the descriptors of verbs devices are put in a program.

/** Descriptors from `low` to below `high`. */
export interface FdRange {
  readonly low: number;
  readonly high: number;
}

/** FD_SETSIZE: select() takes no descriptor from here on. */
const SELECT_LIMIT = 1024;
const WIDTH = 512;

/**
 * The range set apart for a program whose soft limit on open files is `softLimit`: fstat() and dup() of descriptors in it are
 * trapped, so that those of all others cost nothing. It lies as high as select() and the limit allow, where ordinary files
 * come last.
 */
export function reservedRange(softLimit: number): FdRange {
  const high = Math.min(softLimit, SELECT_LIMIT);
  return { low: high - Math.min(WIDTH, high >> 1), high };
}
