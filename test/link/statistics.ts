import assert from 'node:assert/strict';

/** Asserts that `hits` of `trials` fits probability `p` within five standard deviations. */
export function assertRate(hits: number, trials: number, p: number, what: string): void {
  const deviation = Math.sqrt(trials * p * (1 - p));
  assert.ok(Math.abs(hits - trials * p) <= 5 * deviation, `${what}: ${hits} of ${trials}, expected ${trials * p}`);
}
