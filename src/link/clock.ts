/** Where a link that delays gets the time: microseconds from any fixed moment, never going back. */
export type Clock = () => number;

/** This machine's monotonic clock, in microseconds. */
export const monotonic: Clock = () => performance.now() * 1000;
