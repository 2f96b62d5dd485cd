import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteSink } from '../../src/wire/sink.ts';

test('all bytes come out once and in order, whatever the chunk size and the moments of taking', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.array(fc.integer({ min: -1, max: 70 })), (chunk, steps) => {
      const sink = new ByteSink(chunk);
      const expected: number[] = [];
      const taken: Buffer[] = [];
      for (const length of steps) {
        if (length < 0) {
          const before = sink.pending;
          const parts = sink.take();
          assert.equal(before, Buffer.concat(parts).length);
          taken.push(...parts);
          continue;
        }
        const at = sink.reserve(length);
        for (let i = 0; i < length; i++) {
          sink.buf[at + i] = expected.length;
          expected.push(expected.length & 0xff);
        }
      }
      taken.push(...sink.take());
      assert.deepEqual([...Buffer.concat(taken)], expected);
      assert.deepEqual(sink.take(), []);
    }),
    { seed: 61, numRuns: 500 },
  );
});
