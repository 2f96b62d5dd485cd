// How a fabric's packets begin: what the two drivers differ in.

/** The link header, before GRH and BTH. */
export interface Encapsulation {
  /** Bytes. */
  readonly length: number;
  /** The header of a way, but for what differs from packet to packet. */
  write(buf: Buffer, at: number, sl: number, dlid: number, slid: number): void;
  /** Completes a copy of it: `total` bytes from the header to the end of the ICRC; P_Key as in the BTH. */
  complete(buf: Buffer, at: number, total: number, pkey: number): void;
  /** Is there one, with a GRH behind it, for a packet of `total` bytes with this P_Key? */
  matches(buf: Buffer, at: number, total: number, pkey: number): boolean;
  slid(buf: Buffer, at: number): number;
  dlid(buf: Buffer, at: number): number;
  sl(buf: Buffer, at: number): number;
  congested(buf: Buffer, at: number): boolean;
  /** Sets to ones what may change on the way, in a copy that the ICRC is computed of. */
  mask(buf: Buffer, at: number): void;
}
