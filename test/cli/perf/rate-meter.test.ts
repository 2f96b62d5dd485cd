import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { RateMeter } from '../../../src/cli/perf/rate-meter.ts';

/** Notes `count` at each of the times, in milliseconds. */
function metered(marks: Iterable<readonly [ms: number, count: number]>): RateMeter {
  let now = 5000;
  const clock = mock.method(performance, 'now', () => now);
  try {
    const rate = new RateMeter();
    rate.start();
    for (const [ms, count] of marks) {
      now = 5000 + ms;
      rate.note(count);
    }
    return rate;
  } finally {
    clock.mock.restore();
  }
}

test('an even rate', () => {
  const rate = metered(Array.from({ length: 100 }, (_, i) => [i + 1, 10 * (i + 1)] as const));
  assert.equal(rate.seconds, 0.1);
  assert.equal(rate.average, 10_000);
  assert.equal(Math.round(rate.peak), 10_000);
});

test('the peak is the best stretch', () => {
  // Half the time 1 message a millisecond, then 3.
  const rate = metered(Array.from({ length: 1000 }, (_, i) => [i + 1, i < 500 ? i + 1 : 500 + 3 * (i - 499)] as const));
  assert.equal(rate.average, 2000);
  assert.equal(Math.round(rate.peak), 3000);
});

test('however long it takes', () => {
  const rate = metered(Array.from({ length: 200_001 }, (_, i) => [i + 1, 2 * (i + 1)] as const));
  assert.equal(rate.average, 2000);
  assert.equal(rate.seconds, 200.001);
  assert.ok(Math.abs(rate.peak / 2000 - 1) < 0.01);
});

test('nothing', () => {
  assert.deepEqual([new RateMeter().average, new RateMeter().peak, new RateMeter().seconds], [0, 0, 0]);
});
