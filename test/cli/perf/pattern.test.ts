import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compare, pattern } from '../../../src/cli/perf/pattern.ts';

const copyOf = (seed: number, length: number): Buffer => Buffer.from(pattern(seed, length));

test('the same seed, the same bytes; a longer pattern begins with the shorter', () => {
  assert.deepEqual(copyOf(7, 100), copyOf(7, 5000).subarray(0, 100));
  assert.notDeepEqual(copyOf(7, 100), copyOf(8, 100));
});

test('any byte that is changed is found', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.integer({ min: 1, max: 9000 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (seed, length, at, flip) => {
        const data = copyOf(seed, length);
        assert.equal(compare(data, seed, length), 'ok');
        data[at % length] ^= flip;
        assert.equal(compare(data, seed, length), 'wrong');
      },
    ),
    { seed: 4791 },
  );
});

test('with packets: whole ones may be missing, nothing else', () => {
  const data = copyOf(3, 10_000);
  data.fill(0, 4096, 8192);
  assert.equal(compare(data, 3, 10_000, 4096), 'partial');
  assert.equal(compare(data, 3, 10_000), 'wrong');
  data[5000] = 1;
  assert.equal(compare(data, 3, 10_000, 4096), 'wrong');
  const tail = copyOf(3, 10_000).fill(0, 8192);
  assert.equal(compare(tail, 3, 10_000, 4096), 'partial');
});
