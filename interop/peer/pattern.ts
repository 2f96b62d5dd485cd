/** The test pattern, byte `i` of seed `seed`: what pattern() of interop/guest/peer.c makes. */
export function patternByte(seed: number, i: number): number {
  let x = Math.imul(i + 1, 2654435761) ^ Math.imul(seed, 2246822519);
  x ^= x >>> 15;
  return Math.imul(x, 2654435761) >>> 24;
}
