// Datagrams that never meet a network interface may be longer than its packets: fewer of them carry the same.

/** Bytes of payload. Beyond this nothing is gained: what is copied does not stay in the CPU's cache. */
export const JUMBO_PAYLOAD = 64 * 1024;
/** Bytes of such a datagram at most: with all the headers there are. */
export const JUMBO = JUMBO_PAYLOAD + 256;
/** Bytes of one that is none at most: IB's largest MTU, with the same. */
export const NO_JUMBO = 4096 + 256;
/** Bytes of a jumbo that are in the arrival's `buf` when the rest is not: the headers, with some to spare. */
export const JUMBO_HEAD = 128;
