import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { Random } from '../../src/link/random.ts';
import { assertRate } from './statistics.ts';

describe('Random', () => {
  it('repeats itself with the same seed, and starts otherwise with another', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (seed) => {
        const draw = (s: number): number[] => {
          const random = new Random(s);
          return Array.from({ length: 20 }, () => random.uint32());
        };
        assert.deepEqual(draw(seed), draw(seed));
        const next = draw(seed + 1);
        assert.ok(draw(seed).filter((x, i) => x === next[i]).length <= 1);
      }),
      { seed: 1 },
    );
  });

  it('is even: bits, ranges and chances, also for the first draw of many seeds', () => {
    const bits = new Array<number>(32).fill(0);
    const tens = new Array<number>(10).fill(0);
    let hits = 0;
    const n = 20_000;
    for (let seed = 0; seed < n; seed++) {
      const random = new Random(seed);
      const x = random.uint32();
      for (let b = 0; b < 32; b++) bits[b] += (x >>> b) & 1;
      tens[random.below(10)]++;
      if (random.chance(0.01)) hits++;
    }
    for (const [b, count] of bits.entries()) assertRate(count, n, 0.5, `bit ${b}`);
    for (const [v, count] of tens.entries()) assertRate(count, n, 0.1, `value ${v}`);
    assertRate(hits, n, 0.01, 'chance');
  });

  it('draws nothing for a chance of 0', () => {
    const [a, b] = [new Random(9), new Random(9)];
    for (let i = 0; i < 10; i++) assert.equal(a.chance(0), false);
    assert.equal(a.uint32(), b.uint32());
  });

  it('flips one to three bits, which a CRC-32 always shows', () => {
    fc.assert(
      fc.property(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 4178 }), (seed, bytes) => {
        const before = Buffer.from(bytes);
        const after = Buffer.from(bytes);
        new Random(seed).flipBits(after, 0, after.length);
        let flipped = 0;
        for (let i = 0; i < before.length; i++) {
          for (let x = before[i] ^ after[i]; x !== 0; x &= x - 1) flipped++;
        }
        assert.ok(flipped >= 1 && flipped <= 3, `${flipped} bits`);
        assert.notEqual(crc32(before), crc32(after));
      }),
      { seed: 3, numRuns: 500 },
    );
  });

  it('stays within the bytes it is given', () => {
    for (let seed = 0; seed < 200; seed++) {
      const buf = Buffer.alloc(12);
      new Random(seed).flipBits(buf, 4, 4);
      assert.equal(buf.readUInt32LE(0) | buf.readUInt32LE(8), 0);
      assert.notEqual(buf.readUInt32LE(4), 0);
    }
  });
});
