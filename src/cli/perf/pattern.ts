// Bytes that tell by themselves whether they are the right ones.

let scratch = Buffer.alloc(0);

/** `length` pseudorandom bytes of a seed: always the same ones. The buffer is reused by the next call. */
export function pattern(seed: number, length: number): Buffer {
  if (scratch.length < length) scratch = Buffer.from(new ArrayBuffer(Math.ceil(length / 4096) * 4096));
  const words = new Uint32Array(scratch.buffer, 0, (length + 3) >> 2);
  let x = Math.imul(seed, 0x9e3779b1) | 1;
  for (let i = 0; i < words.length; i++) {
    // xorshift32 (Marsaglia 2003)
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  return scratch.subarray(0, length);
}

export type Comparison = 'ok' | 'partial' | 'wrong';

/**
 * Compares the beginning of `buffer` with `length` bytes of the seed's pattern. Where packets may be lost (`packet` is not 0:
 * bytes of one), each must be there as a whole or not at all, as zeros: `partial`.
 */
export function compare(buffer: Buffer, seed: number, length: number, packet = 0): Comparison {
  const expected = pattern(seed, length);
  if (expected.compare(buffer, 0, length) === 0) return 'ok';
  if (packet === 0) return 'wrong';
  for (let at = 0; at < length; at += packet) {
    const end = Math.min(length, at + packet);
    if (expected.compare(buffer, at, end, at, end) === 0) continue;
    for (let i = at; i < end; i++) if (buffer[i] !== 0) return 'wrong';
  }
  return 'partial';
}
