// The kernel copies a doorbell's words in any order, and we may look between any two of them.
import assert from 'node:assert/strict';
import { writeSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { SharedFile } from '../../src/os/memfd.ts';
import { DoorbellLog } from '../../src/uverbs/doorbell-log.ts';
import { u32, u64 } from './program.ts';
import { doorbell } from './verbs.ts';

const SEED = 20_261;
const WINDOW = 256 * 1024;

interface Entry {
  /** 0: a command that is no doorbell. */
  readonly handle: number;
  readonly order: readonly number[];
  /** Words after whose arrival somebody looks. */
  readonly looks: readonly number[];
}

const entry: fc.Arbitrary<Entry> = fc.record({
  handle: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 2 ** 32 - 1 }) },
    { weight: 1, arbitrary: fc.constant(0) },
  ),
  order: fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 }),
  looks: fc.subarray([0, 1, 2, 3, 4, 5, 6, 7]),
});

const ALLOC_PD = Buffer.concat([u32(3, 8 | (1 << 16)), u64(0x12345678), u32(7, 0, 0, 9)]);

test('each doorbell rings once, in order, when all of it is there and not before', () => {
  const property = fc.property(fc.array(entry, { minLength: 1, maxLength: 40 }), fc.nat(30), (entries, before) => {
    const file = new SharedFile('order-test', 2 ** 40);
    try {
      const rung: number[] = [];
      const log = new DoorbellLog(file, (handle) => rung.push(handle >>> 0));
      // What follows crosses the end of a window.
      const start = WINDOW - 32 * before;
      const filler = doorbell(1);
      writeSync(file.fd, Buffer.concat(Array.from({ length: start / 32 }, () => filler)), 0, start, 0);
      while (log.take() > 0);
      rung.length = 0;
      const whole: number[] = [];
      let at = start;
      for (const { handle, order, looks } of entries) {
        const record = handle === 0 ? ALLOC_PD : doorbell(handle);
        order.forEach((word, n) => {
          writeSync(file.fd, record, word * 4, 4, at + word * 4);
          const missing = order.slice(n + 1).some((later) => record.readUInt32LE(later * 4) !== 0);
          if (!looks.includes(n)) return;
          while (log.take() > 0);
          // All before this one, and this one only if nothing of it is missing.
          const expected = missing || handle === 0 ? whole : [...whole, handle];
          assert.deepEqual(rung, expected);
        });
        if (handle !== 0) whole.push(handle);
        at += record.length;
      }
      while (log.take() > 0);
      assert.deepEqual(rung, whole);
    } finally {
      file.close();
    }
  });
  fc.assert(property, { seed: SEED, numRuns: 150 });
});
