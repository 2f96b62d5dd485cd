// Big-endian loads and stores. Plain byte arithmetic: V8 inlines it, it works on a Buffer and on any Uint8Array (shared or
// not), and it never throws: reading past the end gives zeros, writing there does nothing. Checks are the callers' duty.

const TWO32 = 4294967296;

export function getU16(buf: Uint8Array, off: number): number {
  return (buf[off] << 8) | buf[off + 1];
}

export function getU24(buf: Uint8Array, off: number): number {
  return (buf[off] << 16) | (buf[off + 1] << 8) | buf[off + 2];
}

export function getU32(buf: Uint8Array, off: number): number {
  return ((buf[off] << 24) | (buf[off + 1] << 16) | (buf[off + 2] << 8) | buf[off + 3]) >>> 0;
}

export function getU48(buf: Uint8Array, off: number): number {
  return getU16(buf, off) * TWO32 + getU32(buf, off + 2);
}

/** 64 bits as a double: exact below 2^53, which holds for user-space addresses; {@link getU64Big} is always exact. */
export function getU64(buf: Uint8Array, off: number): number {
  return getU32(buf, off) * TWO32 + getU32(buf, off + 4);
}

/** 64 bits, exact. Allocates: for tools and slow paths. */
export function getU64Big(buf: Uint8Array, off: number): bigint {
  return (BigInt(getU32(buf, off)) << 32n) | BigInt(getU32(buf, off + 4));
}

/** 32 bits, little-endian, as a signed number (never a heap number in V8). */
export function getI32LE(buf: Uint8Array, off: number): number {
  return buf[off] | (buf[off + 1] << 8) | (buf[off + 2] << 16) | (buf[off + 3] << 24);
}

export function putU16(buf: Uint8Array, off: number, value: number): void {
  buf[off] = value >>> 8;
  buf[off + 1] = value;
}

export function putU24(buf: Uint8Array, off: number, value: number): void {
  buf[off] = value >>> 16;
  buf[off + 1] = value >>> 8;
  buf[off + 2] = value;
}

export function putU32(buf: Uint8Array, off: number, value: number): void {
  buf[off] = value >>> 24;
  buf[off + 1] = value >>> 16;
  buf[off + 2] = value >>> 8;
  buf[off + 3] = value;
}

export function putU48(buf: Uint8Array, off: number, value: number): void {
  putU16(buf, off, (value / TWO32) | 0);
  putU32(buf, off + 2, value | 0);
}

/** Stores a whole number in 0..2^53 as 64 bits. */
export function putU64(buf: Uint8Array, off: number, value: number): void {
  putU32(buf, off, (value / TWO32) | 0);
  putU32(buf, off + 4, value | 0);
}

export function putU64Big(buf: Uint8Array, off: number, value: bigint): void {
  putU32(buf, off, Number((value >> 32n) & 0xffffffffn));
  putU32(buf, off + 4, Number(value & 0xffffffffn));
}

/** 32 bits, little-endian; signed or unsigned alike. */
export function putU32LE(buf: Uint8Array, off: number, value: number): void {
  buf[off] = value;
  buf[off + 1] = value >>> 8;
  buf[off + 2] = value >>> 16;
  buf[off + 3] = value >>> 24;
}

/** `value` as 0x and at least `digits` hexadecimal digits. */
export function hex(value: number | bigint, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}
