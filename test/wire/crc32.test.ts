import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import fc from 'fast-check';
import { CRC32_INIT, crc32, crc32Update, crc32UpdateSmall, setCrc32Native } from '../../src/wire/crc32.ts';

test('the check value of CRC-32/ISO-HDLC', () => {
  assert.equal(crc32(Buffer.from('123456789')), 0xcbf43926);
});

test('agrees with zlib for any bytes, in any pieces', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700 }), fc.array(fc.nat(700), { maxLength: 3 }), (bytes, cuts) => {
      assert.equal(crc32(bytes), zlib.crc32(bytes));
      const edges = [0, ...cuts.map((c) => Math.min(c, bytes.length)), bytes.length].sort((a, b) => a - b);
      let table = CRC32_INIT;
      let mixed = CRC32_INIT;
      for (let i = 1; i < edges.length; i++) {
        table = crc32UpdateSmall(table, bytes, edges[i - 1], edges[i] - edges[i - 1]);
        mixed = crc32Update(mixed, bytes, edges[i - 1], edges[i] - edges[i - 1]);
      }
      assert.equal(~table >>> 0, zlib.crc32(bytes));
      assert.equal(~mixed >>> 0, zlib.crc32(bytes));
    }),
    { seed: 21, numRuns: 1000 },
  );
});

test('the state is a signed number whichever way it was computed', () => {
  for (let len = 0; len < 600; len++) {
    const state = crc32Update(CRC32_INIT, Buffer.alloc(len, len), 0, len);
    assert.equal(state, state | 0);
  }
});

test('a native update takes over from its minimum length on', () => {
  const lengths: number[] = [];
  try {
    setCrc32Native((state, buf, off, len) => {
      lengths.push(len);
      return crc32UpdateSmall(state, buf, off, len) >>> 0;
    }, 64);
    const bytes = Buffer.alloc(300, 7);
    for (const len of [63, 64, 300]) {
      assert.equal(crc32(bytes, 0, len), zlib.crc32(bytes.subarray(0, len)));
      const state = crc32Update(CRC32_INIT, bytes, 0, len);
      assert.equal(state, state | 0);
    }
    assert.deepEqual(lengths, [64, 64, 300, 300]);
  } finally {
    setCrc32Native(null);
  }
});
