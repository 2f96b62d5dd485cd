// Packet sequence numbers have 24 bits and wrap; what is "before" is decided by the nearer way round (IBTA 9.7.2).
export const PSN_MASK = 0xffffff;

export const psnAdd = (psn: number, n: number): number => (psn + n) & PSN_MASK;

/** a - b as a signed number: negative when `a` comes before `b`. */
export const psnDiff = (a: number, b: number): number => ((a - b) << 8) >> 8;
