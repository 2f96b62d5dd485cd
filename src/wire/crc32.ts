// CRC-32 (IEEE 802.3, reflected polynomial 0xedb88320) with a running state, sixteen bytes a step. Its register before the final
// inversion is the state, so that pieces chain; it is a *signed* number because V8 keeps those out of the heap.
import zlib from 'node:zlib';

/** State before the first byte. */
export const CRC32_INIT = -1;

/** Advances `state` over `len` bytes of `buf` from `off`. */
export type Crc32Update = (state: number, buf: Uint8Array, off: number, len: number) => number;

/** Sixteen tables of 256 entries: entry b of table k is the effect of byte b followed by k zero bytes. */
export const CRC32_TABLE: Int32Array = makeTables();

function makeTables(): Int32Array {
  const t = new Int32Array(16 * 256);
  for (let b = 0; b < 256; b++) {
    let c = b;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    t[b] = c;
  }
  for (let i = 256; i < t.length; i++) t[i] = (t[i - 256] >>> 8) ^ t[t[i - 256] & 0xff];
  return t;
}

/** The table-driven update, for short input: a call into native code costs more than it saves. */
export function crc32UpdateSmall(state: number, buf: Uint8Array, off: number, len: number): number {
  const t = CRC32_TABLE;
  let c = state | 0;
  let i = off;
  const end = off + len;
  for (; i + 16 <= end; i += 16) {
    c ^= buf[i] | (buf[i + 1] << 8) | (buf[i + 2] << 16) | (buf[i + 3] << 24);
    // The terms that need c come last and all are paired, which shortens the chain of dependent loads from step to step.
    c =
      t[2816 + buf[i + 4]] ^
      t[2560 + buf[i + 5]] ^
      (t[2304 + buf[i + 6]] ^ t[2048 + buf[i + 7]]) ^
      (t[1792 + buf[i + 8]] ^ t[1536 + buf[i + 9]]) ^
      (t[1280 + buf[i + 10]] ^ t[1024 + buf[i + 11]]) ^
      (t[768 + buf[i + 12]] ^ t[512 + buf[i + 13]]) ^
      (t[256 + buf[i + 14]] ^ t[buf[i + 15]]) ^
      (t[3840 + (c & 0xff)] ^ t[3584 + ((c >>> 8) & 0xff)] ^ (t[3328 + ((c >>> 16) & 0xff)] ^ t[3072 + (c >>> 24)]));
  }
  for (; i + 4 <= end; i += 4) {
    c ^= buf[i] | (buf[i + 1] << 8) | (buf[i + 2] << 16) | (buf[i + 3] << 24);
    c = t[768 + (c & 0xff)] ^ t[512 + ((c >>> 8) & 0xff)] ^ (t[256 + ((c >>> 16) & 0xff)] ^ t[c >>> 24]);
  }
  for (; i < end; i++) c = (c >>> 8) ^ t[(c ^ buf[i]) & 0xff];
  return c;
}

function zlibUpdate(state: number, buf: Uint8Array, off: number, len: number): number {
  return ~zlib.crc32(buf.subarray(off, off + len), ~state >>> 0);
}

let nativeUpdate: Crc32Update = zlibUpdate;
let nativeMin = 256;

/**
 * Installs a faster update for input of at least `minLength` bytes, e.g. one that calls a library by FFI; null restores
 * node:zlib's. It gets and returns the un-inverted state, as a signed or unsigned number.
 */
export function setCrc32Native(update: Crc32Update | null, minLength = 256): void {
  nativeUpdate = update ?? zlibUpdate;
  nativeMin = minLength;
}

/** Advances the state over `len` bytes of `buf` from `off`, which must lie inside `buf`. */
export function crc32Update(state: number, buf: Uint8Array, off: number, len: number): number {
  return len < nativeMin ? crc32UpdateSmall(state, buf, off, len) : nativeUpdate(state, buf, off, len) | 0;
}

/** The standard CRC-32 of a range, unsigned, as zlib.crc32 gives it. */
export function crc32(buf: Uint8Array, off = 0, len: number = buf.length - off): number {
  return ~crc32Update(CRC32_INIT, buf, off, len) >>> 0;
}
