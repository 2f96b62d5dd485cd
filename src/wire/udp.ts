// UDP header, RFC 768.
import { getU16, putU16 } from './bytes.ts';
import { checkRoom, WireError } from './error.ts';

export const UDP_LEN = 8;

/** RoCEv2's destination port (IBTA vol. 1 annex A17); the source port carries flow entropy. */
export const ROCE_UDP_PORT = 4791;

export interface UdpHeader {
  sport: number;
  dport: number;
  /** Header and payload, as the header says. */
  length: number;
  /** 0: the sender did not compute one. */
  checksum: number;
}

export function parseUdp(buf: Uint8Array, off: number, end: number = buf.length): UdpHeader | WireError {
  const short = checkRoom(off, end, UDP_LEN, 'UDP header');
  if (short) return short;
  const length = getU16(buf, off + 4);
  if (length < UDP_LEN) return new WireError('bad-length', off + 4, `UDP length ${length}`);
  return { sport: getU16(buf, off), dport: getU16(buf, off + 2), length, checksum: getU16(buf, off + 6) };
}

/** Writes a header with checksum 0, as RoCEv2 stacks do: the ICRC protects more. */
export function writeUdp(buf: Uint8Array, off: number, sport: number, dport: number, length: number): void {
  putU16(buf, off, sport);
  putU16(buf, off + 2, dport);
  putU16(buf, off + 4, length);
  putU16(buf, off + 6, 0);
}
