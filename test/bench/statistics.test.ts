import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { figures, ratioOf, summarize, verdict } from '../../bench/statistics.ts';

test('the median of an odd number is the middle one, of an even number the mean of the two', () => {
  assert.deepEqual(summarize([3, 1, 2]), { median: 2, min: 1, max: 3, count: 3 });
  assert.deepEqual(summarize([4, 1, 3, 2]), { median: 2.5, min: 1, max: 4, count: 4 });
  assert.equal(summarize([]), null);
});

test('at most half of any figures are below the median and at most half above it, in whatever order they come', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1 }), (values) => {
      const { median, min, max, count } = summarize(values)!;
      assert.ok(min <= median && median <= max);
      assert.equal(count, values.length);
      assert.ok(values.filter((v) => v < median).length <= count / 2);
      assert.ok(values.filter((v) => v > median).length <= count / 2);
      assert.deepEqual(summarize([...values].reverse()), { median, min, max, count });
    }),
    { seed: 1, numRuns: 200 },
  );
});

test('the ratio is that of the medians, of rounds that have both figures', () => {
  assert.equal(ratioOf([2, null, 9, 4], [1, 5, null, 8]), 3 / 4.5);
  assert.equal(ratioOf([2, 3], [1]), 2);
  assert.equal(ratioOf([null], [1]), null);
  assert.deepEqual(figures([1, null, 2]), [1, 2]);
});

test('rounds in which one of the two was disturbed do not change the ratio', () => {
  assert.equal(ratioOf([4, 40, 4, 4, 4], [2, 2, 2, 90, 2]), 2);
});

test('a bar is met at the bar itself, in the direction that is better', () => {
  const latency = { goal: 1, aim: 0.75 };
  assert.equal(verdict(1.01, latency, 'lower'), 'not met');
  assert.equal(verdict(1, latency, 'lower'), 'met');
  assert.equal(verdict(0.75, latency, 'lower'), 'aim met');
  const bandwidth = { goal: 1, aim: 1.5 };
  assert.equal(verdict(0.99, bandwidth, 'higher'), 'not met');
  assert.equal(verdict(1, bandwidth, 'higher'), 'met');
  assert.equal(verdict(1.5, bandwidth, 'higher'), 'aim met');
});
