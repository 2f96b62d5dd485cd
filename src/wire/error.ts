/** What is wrong with some bytes. */
export type WireErrorCode =
  /** The bytes end before the header or field does. */
  | 'truncated'
  /** A length field contradicts another length. */
  | 'bad-length'
  /** A field holds a value the protocol does not define. */
  | 'bad-value'
  /** The BTH opcode is reserved. */
  | 'bad-opcode'
  /** Well-formed as far as looked at, but no RoCEv2 datagram. */
  | 'not-roce'
  /** Well-formed, but a kind this codec does not read (link type, file version, IP fragment). */
  | 'unsupported';

/** The typed error that decoders *return*; they never throw, whatever the bytes are. */
export class WireError extends Error {
  readonly code: WireErrorCode;
  /** Where in the given buffer the trouble is. */
  readonly offset: number;

  constructor(code: WireErrorCode, offset: number, message: string) {
    super(`${message} (at byte ${offset})`);
    this.name = 'WireError';
    this.code = code;
    this.offset = offset;
  }
}

/** A `truncated` error when fewer than `need` bytes lie between `off` and `end`, else null. */
export function checkRoom(off: number, end: number, need: number, what: string): WireError | null {
  const have = Math.max(0, end - off);
  return have >= need ? null : new WireError('truncated', off, `${what} needs ${need} bytes, ${have} left`);
}
