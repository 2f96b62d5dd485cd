// RoCEv2 Invariant CRC, IBTA vol. 1 annex A17 and section 7.8.1: CRC-32 over eight bytes of ones (the masked LRH), the IP and
// UDP headers with what routers may change masked to ones, the BTH with its FECN/BECN byte masked, and all up to the ICRC.
//
// What stands before the BTH differs within a flow only in lengths and the IPv4 ID, and CRC is affine: the state after the
// headers is the state for (length 0, ID 0) xor a linear function of the length xor a linear function of the ID. So a packet
// costs a few table loads instead of 36 or 56 more bytes of CRC. All states and values are signed 32-bit numbers.

import { BTH_RESV8A_OFF } from './bth.ts';
import { getI32LE, putU16, putU32LE } from './bytes.ts';
import { CRC32_INIT, crc32Update, crc32UpdateSmall } from './crc32.ts';

export const ICRC_LEN = 4;

const LRH = 8;
const UDP_LEN = 8;
const IP4_LEN = 20;
const IP6_LEN = 40;

const scratch4 = new Uint8Array(LRH + IP4_LEN + UDP_LEN).fill(0xff);
const scratch6 = new Uint8Array(LRH + IP6_LEN + UDP_LEN).fill(0xff);
const zeros = new Uint8Array(64);

/** State after `head` and then `after` zero bytes, from state 0: the linear part of CRC only. */
function linear(head: Uint8Array, after: number): number {
  return crc32UpdateSmall(crc32UpdateSmall(0, head, 0, head.length), zeros, 0, after);
}

/** 2 x 256 entries: what the high and the low byte of a big-endian 16-bit field do to the state `after` bytes behind it. */
function fieldTable(after: number): Int32Array {
  const t = new Int32Array(512);
  for (let b = 0; b < 256; b++) {
    t[b] = linear(Uint8Array.of(b, 0), after);
    t[256 + b] = linear(Uint8Array.of(0, b), after);
  }
  return t;
}

// Bytes between a field's end and the end of the UDP header.
const UDP_LENGTH = fieldTable(2);
const IP4_TOTAL_LENGTH = fieldTable(16 + UDP_LEN);
const IP4_ID = fieldTable(14 + UDP_LEN);
const IP6_PAYLOAD_LENGTH = fieldTable(34 + UDP_LEN);

/** UDP length and IPv6 payload length are the same number, so one table serves for both. */
const IP6_BOTH = IP6_PAYLOAD_LENGTH.map((v, i) => v ^ UDP_LENGTH[i]);

/** The difference that IPv4's DF flag makes to a seed: `seed ^ ICRC_DF` is the seed for the opposite flag. */
export const ICRC_DF: number = linear(Uint8Array.of(0x40, 0), 12 + UDP_LEN);

/** State after the pseudo headers of an IPv4 flow for lengths 0 and ID 0. Options are not allowed for. */
export function icrcSeed4(src: Uint8Array, dst: Uint8Array, sport: number, dport: number, df: boolean): number {
  const h = scratch4;
  const ip = LRH;
  const udp = LRH + IP4_LEN;
  h[ip] = 0x45;
  putU16(h, ip + 2, 0);
  putU16(h, ip + 4, 0);
  putU16(h, ip + 6, df ? 0x4000 : 0);
  h[ip + 9] = 17;
  for (let i = 0; i < 4; i++) {
    h[ip + 12 + i] = src[i];
    h[ip + 16 + i] = dst[i];
  }
  putU16(h, udp, sport);
  putU16(h, udp + 2, dport);
  putU16(h, udp + 4, 0);
  return crc32UpdateSmall(CRC32_INIT, h, 0, LRH + IP4_LEN + UDP_LEN);
}

/** What the length field of the UDP header, and IPv4's total length that follows from it, add to the seed (by xor). */
export function icrcLen4(udpLength: number): number {
  const total = udpLength + IP4_LEN;
  return (
    UDP_LENGTH[(udpLength >>> 8) & 0xff] ^
    UDP_LENGTH[256 + (udpLength & 0xff)] ^
    IP4_TOTAL_LENGTH[(total >>> 8) & 0xff] ^
    IP4_TOTAL_LENGTH[256 + (total & 0xff)]
  );
}

/** What the IPv4 identification adds to the seed (by xor). */
export function icrcId(id: number): number {
  return IP4_ID[(id >>> 8) & 0xff] ^ IP4_ID[256 + (id & 0xff)];
}

/** State after the pseudo headers of an IPv6 flow for lengths 0. */
export function icrcSeed6(src: Uint8Array, dst: Uint8Array, sport: number, dport: number): number {
  const h = scratch6;
  const ip = LRH;
  const udp = LRH + IP6_LEN;
  h[ip] = 0x6f;
  putU16(h, ip + 4, 0);
  h[ip + 6] = 17;
  for (let i = 0; i < 16; i++) {
    h[ip + 8 + i] = src[i];
    h[ip + 24 + i] = dst[i];
  }
  putU16(h, udp, sport);
  putU16(h, udp + 2, dport);
  putU16(h, udp + 4, 0);
  return crc32UpdateSmall(CRC32_INIT, h, 0, LRH + IP6_LEN + UDP_LEN);
}

/** What the UDP length and IPv6's payload length, which is the same number, add to the seed (by xor). */
export function icrcLen6(udpLength: number): number {
  return IP6_BOTH[(udpLength >>> 8) & 0xff] ^ IP6_BOTH[256 + (udpLength & 0xff)];
}

/**
 * The ICRC of the `len` bytes at `off`, BTH to pad. `seed` is the state after the pseudo headers. The FECN/BECN byte is
 * overwritten meanwhile, and restored.
 */
export function icrcCompute(seed: number, buf: Uint8Array, off: number, len: number): number {
  const masked = off + BTH_RESV8A_OFF;
  const saved = buf[masked];
  buf[masked] = 0xff;
  const crc = ~crc32Update(seed, buf, off, len);
  buf[masked] = saved;
  return crc;
}

/** The same of bytes of which the first `headLength` are at `off` of `head`, and all at `at` of `body`: there they are read once. */
export function icrcComputeSplit(
  seed: number,
  head: Uint8Array,
  off: number,
  headLength: number,
  body: Uint8Array,
  at: number,
  len: number,
): number {
  const state = ~icrcCompute(seed, head, off, headLength);
  return ~crc32Update(state, body, at + headLength, len - headLength);
}

/** The ICRC stored at `off`: little-endian, unlike all else in the packet. */
export function icrcRead(buf: Uint8Array, off: number): number {
  return getI32LE(buf, off);
}

/** Computes the ICRC of the `len` bytes at `off` and stores it behind them. */
export function icrcWrite(seed: number, buf: Uint8Array, off: number, len: number): void {
  putU32LE(buf, off + len, icrcCompute(seed, buf, off, len));
}

/** Whether the four bytes behind the `len` bytes at `off` are their ICRC. */
export function icrcMatches(seed: number, buf: Uint8Array, off: number, len: number): boolean {
  return icrcCompute(seed, buf, off, len) === icrcRead(buf, off + len);
}
