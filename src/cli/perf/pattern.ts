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

/** Does `buffer` begin with `length` bytes of the seed's pattern? */
export function matches(buffer: Buffer, seed: number, length: number): boolean {
  return pattern(seed, length).compare(buffer, 0, length) === 0;
}
