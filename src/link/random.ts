// The one source of chance for simulations and faults, so that a seed repeats them exactly.

/** A small fast seeded generator (sfc32, Chris Doty-Humphrey's PractRand family): not for secrets. */
export class Random {
  private a = 0;
  private b = 0;
  private c = 0;
  private counter = 1;

  constructor(seed: number) {
    // Seeds that differ in one bit only must not start alike: mix the seed in, then let the state stir itself.
    this.a = Math.imul(seed | 0, 0x9e3779b1) >>> 0;
    this.b = (Math.floor(seed / 0x1_0000_0000) ^ 0x85ebca6b) >>> 0;
    this.c = (seed ^ 0xc2b2ae35) >>> 0;
    for (let i = 0; i < 15; i++) this.uint32();
  }

  /** A whole number from 0 to 2^32 - 1. */
  uint32(): number {
    const result = (this.a + this.b + this.counter) >>> 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + result) | 0;
    return result;
  }

  /** A number in [0, 1). */
  float(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** A whole number from 0 to `n` - 1. */
  below(n: number): number {
    return Math.floor(this.float() * n);
  }

  /** True with the given probability; draws nothing when that is 0, so that a fault switched off changes nothing else. */
  chance(probability: number): boolean {
    return probability > 0 && this.float() < probability;
  }

  /**
   * Flips one to three bits of `buf`. No CRC-32 of the Ethernet polynomial misses so few at these lengths, so that what
   * a checked receiver accepts was not damaged.
   */
  flipBits(buf: Buffer, off: number, len: number): void {
    const bits = len * 8;
    if (bits === 0) return;
    const flips = bits === 1 ? 1 : 1 + this.below(3);
    let at = this.below(bits);
    for (let i = 0; i < flips; i++) {
      buf[off + (at >> 3)] ^= 1 << (at & 7);
      // Never the same bit twice running: of one, two or three such flips at least one stays.
      at = (at + 1 + this.below(bits - 1)) % bits;
    }
  }
}
