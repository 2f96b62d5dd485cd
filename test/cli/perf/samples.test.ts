import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Samples } from '../../../src/cli/perf/samples.ts';

function statsOf(values: readonly number[], expected: number = values.length) {
  const samples = new Samples(expected);
  for (const value of values) samples.add(value);
  return samples.stats();
}

test('one to a thousand', () => {
  const values = Array.from({ length: 1000 }, (_, i) => ((i * 617) % 1000) + 1);
  const { stdev, ...stats } = statsOf(values);
  assert.deepEqual(stats, { min: 1, max: 1000, typical: 500, avg: 500.5, p99: 990, p999: 999 });
  // Of the numbers 1 to n: sqrt((n^2 - 1) / 12).
  assert.ok(Math.abs(stdev - Math.sqrt((1e6 - 1) / 12)) < 1e-6);
});

test('none', () => assert.equal(statsOf([]).max, 0));

test('percentiles are values that occurred, at their nearest rank', () => {
  const values = fc.array(fc.float({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(values, (list) => {
      const { typical, p99, p999, min, max } = statsOf(list);
      const atMost = (x: number): number => list.filter((v) => v <= x).length / list.length;
      const below = (x: number): number => list.filter((v) => v < x).length / list.length;
      for (const [p, x] of [
        [0.5, typical],
        [0.99, p99],
        [0.999, p999],
      ] as const) {
        assert.ok(list.includes(x));
        assert.ok(atMost(x) >= p - 1e-12 && below(x) < p);
      }
      assert.deepEqual([min, max], [Math.min(...list), Math.max(...list)]);
    }),
    { seed: 4791 },
  );
});

test('more than it has room for: evenly thinned, extremes and average of all', () => {
  const n = 100_000;
  const values = Array.from({ length: n }, (_, i) => i);
  const { typical, p99, min, max, avg } = statsOf(values, 1000);
  assert.deepEqual([min, max, avg], [0, n - 1, (n - 1) / 2]);
  assert.ok(Math.abs(typical / n - 0.5) < 0.01);
  assert.ok(Math.abs(p99 / n - 0.99) < 0.01);
});
