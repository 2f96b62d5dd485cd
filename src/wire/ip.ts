// IPv4 (RFC 791) and IPv6 (RFC 8200) headers, as much of them as captures of RoCEv2 need.
import { getU16, getU32, putU16, putU32 } from './bytes.ts';
import { checkRoom, WireError } from './error.ts';

export const IPV4_LEN = 20;
export const IPV6_LEN = 40;
export const IPPROTO_UDP = 17;
export const IPPROTO_TCP = 6;

export const IPV4_DF = 0x4000;
const IPV4_MF_OR_OFFSET = 0x3fff;

export interface IpHeader {
  version: 4 | 6;
  src: Uint8Array;
  dst: Uint8Array;
  /** IPv4 protocol or IPv6 next header. */
  protocol: number;
  ttl: number;
  /** TOS or traffic class. */
  tos: number;
  /** Bytes of this header. */
  headerLength: number;
  /** Bytes behind this header, as the header says. */
  payloadLength: number;
  /** IPv4 only, else 0. */
  id: number;
  /** IPv4's flags and fragment offset, else 0. */
  fragment: number;
  /** IPv6 only, else 0. */
  flowLabel: number;
}

/** Parses an IPv4 or IPv6 header; the packet may be cut short behind it (a capture's snapshot length). */
export function parseIp(buf: Uint8Array, off: number, end: number = buf.length): IpHeader | WireError {
  const short = checkRoom(off, end, 1, 'IP header');
  if (short) return short;
  const version = buf[off] >> 4;
  if (version === 4) return parseIpv4(buf, off, end);
  if (version === 6) return parseIpv6(buf, off, end);
  return new WireError('bad-value', off, `IP version ${version}`);
}

function parseIpv4(buf: Uint8Array, off: number, end: number): IpHeader | WireError {
  const short = checkRoom(off, end, IPV4_LEN, 'IPv4 header');
  if (short) return short;
  const headerLength = (buf[off] & 15) * 4;
  const total = getU16(buf, off + 2);
  if (headerLength < IPV4_LEN) return new WireError('bad-length', off, `IPv4 header length ${headerLength}`);
  if (total < headerLength) return new WireError('bad-length', off + 2, `IPv4 total length ${total}`);
  return (
    checkRoom(off, end, headerLength, 'IPv4 header with options') ?? {
      version: 4,
      src: buf.subarray(off + 12, off + 16),
      dst: buf.subarray(off + 16, off + 20),
      protocol: buf[off + 9],
      ttl: buf[off + 8],
      tos: buf[off + 1],
      headerLength,
      payloadLength: total - headerLength,
      id: getU16(buf, off + 4),
      fragment: getU16(buf, off + 6),
      flowLabel: 0,
    }
  );
}

function parseIpv6(buf: Uint8Array, off: number, end: number): IpHeader | WireError {
  return (
    checkRoom(off, end, IPV6_LEN, 'IPv6 header') ?? {
      version: 6,
      src: buf.subarray(off + 8, off + 24),
      dst: buf.subarray(off + 24, off + 40),
      protocol: buf[off + 6],
      ttl: buf[off + 7],
      tos: (getU16(buf, off) >> 4) & 0xff,
      headerLength: IPV6_LEN,
      payloadLength: getU16(buf, off + 4),
      id: 0,
      fragment: 0,
      flowLabel: getU32(buf, off) & 0xfffff,
    }
  );
}

/** Whether the header is of a fragment, whose ICRC cannot be checked alone. */
export function isFragment(ip: IpHeader): boolean {
  return (ip.fragment & IPV4_MF_OR_OFFSET) !== 0;
}

/** The Internet checksum (RFC 1071) of an even number of bytes. */
export function internetChecksum(buf: Uint8Array, off: number, len: number): number {
  let sum = 0;
  for (let i = 0; i < len; i += 2) sum += getU16(buf, off + i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Writes an IPv4 header without options, for UDP, with its checksum. */
export function writeIpv4(
  buf: Uint8Array,
  off: number,
  src: Uint8Array,
  dst: Uint8Array,
  tos: number,
  ttl: number,
  id: number,
  df: boolean,
  payloadLength: number,
): void {
  buf[off] = 0x45;
  buf[off + 1] = tos;
  putU16(buf, off + 2, IPV4_LEN + payloadLength);
  putU16(buf, off + 4, id);
  putU16(buf, off + 6, df ? IPV4_DF : 0);
  buf[off + 8] = ttl;
  buf[off + 9] = IPPROTO_UDP;
  putU16(buf, off + 10, 0);
  for (let i = 0; i < 4; i++) {
    buf[off + 12 + i] = src[i];
    buf[off + 16 + i] = dst[i];
  }
  putU16(buf, off + 10, internetChecksum(buf, off, IPV4_LEN));
}

/** Writes an IPv6 header for UDP. */
export function writeIpv6(
  buf: Uint8Array,
  off: number,
  src: Uint8Array,
  dst: Uint8Array,
  trafficClass: number,
  flowLabel: number,
  hopLimit: number,
  payloadLength: number,
): void {
  putU32(buf, off, 0x60000000 | ((trafficClass & 0xff) << 20) | (flowLabel & 0xfffff));
  putU16(buf, off + 4, payloadLength);
  buf[off + 6] = IPPROTO_UDP;
  buf[off + 7] = hopLimit;
  for (let i = 0; i < 16; i++) {
    buf[off + 8 + i] = src[i];
    buf[off + 24 + i] = dst[i];
  }
}

/** Dotted quad, or IPv6 text as RFC 5952 wants it. */
export function formatIp(address: Uint8Array): string {
  if (address.length === 4) return address.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => getU16(address, 2 * i));
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (i + run < 8 && groups[i + run] === 0) run++;
    if (run > length) {
      start = i;
      length = run;
    }
  }
  const text = (part: number[]): string => part.map((g) => g.toString(16)).join(':');
  return start < 0 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}
