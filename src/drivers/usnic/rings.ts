// The rings of a vNIC, as the device and its user see them: a header (as in transport/ring.ts) and elements of 64 bytes.
import type { Ring } from '../../transport/ring.ts';

export const ELEMENT_SIZE = 64;

/** Words of a descriptor, to send or to receive: where the bytes are, and (to send) where they go. */
export const DESC = {
  /** 64 bits. */
  ADDR: 0,
  LENGTH: 2,
  LKEY: 3,
  /** 64 bits; comes back in the completion. */
  WR_ID: 4,
  /** UDP port. */
  PORT: 6,
  /** 16 bytes: an IPv6 address, or an IPv4 address mapped. */
  ADDRESS: 8,
} as const;

/** Words of a completion: what was done, and (of a receive) where the datagram came from. */
export const COMP = { WR_ID: 0, STATUS: 2, KIND: 3, LENGTH: 4, PORT: 6, ADDRESS: 8 } as const;
export const KIND_SEND = 0;
export const KIND_RECV = 1;

/** As `enum ibv_wc_status` numbers them. */
export const STATUS = { OK: 0, TOO_LONG: 1, NO_ROUTE: 2, NO_ACCESS: 4 } as const;

const TWO32 = 2 ** 32;
export const get64 = (u32: Uint32Array, w: number): number => u32[w] + u32[w + 1] * TWO32;
export function put64(u32: Uint32Array, w: number, value: number): void {
  u32[w] = value;
  u32[w + 1] = Math.floor(value / TWO32);
}

/** An index that the other side wrote: it cannot lead outside. */
export const produced = (ring: Ring): number => ring.producer & ring.mask;
export const consumed = (ring: Ring): number => ring.consumer & ring.mask;
