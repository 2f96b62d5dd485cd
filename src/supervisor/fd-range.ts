// Where the descriptors of verbs devices are put in a program.

/** Descriptors from `low` to below `high`. */
export interface Part {
  readonly low: number;
  readonly high: number;
}

export interface FdRange extends Part {
  /** From here on are those that are written to, which must be answered: the others' doorbells go to the kernel. */
  readonly written: number;
}

/** FD_SETSIZE: select() takes no descriptor from here on. */
const SELECT_LIMIT = 1024;
const WIDTH = 512;
/** The part for those that are not written to, of which a program has few; of event channels each rsocket has one. */
const UNWRITTEN_PART = 1 / 4;

/**
 * The range set apart for a program whose soft limit on open files is `softLimit`: fstat() and dup() of descriptors in it are
 * trapped, so that those of all others cost nothing. It lies as high as select() and the limit allow, where ordinary files
 * come last.
 */
export function reservedRange(softLimit: number): FdRange {
  const high = Math.min(softLimit, SELECT_LIMIT);
  const width = Math.min(WIDTH, high >> 1);
  const low = high - width;
  return { low, high, written: low + Math.floor(width * UNWRITTEN_PART) };
}

/** Where the descriptors of an opened device go; `memory` as `DeviceFile` has it. */
export function partFor({ low, high, written }: FdRange, memory: boolean): Part {
  return memory ? { low, high: written } : { low: written, high };
}
