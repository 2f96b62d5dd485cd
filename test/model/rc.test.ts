// The transport does what the model of reliable connections allows, and nothing else: a short run; `npm run test:faults` is
// the long one.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { check, report } from './run.ts';

const SEED = Number(process.env.FAULT_SEED ?? 42);
const RUNS = Number(process.env.FAULT_RUNS ?? 400);

for (const program of ['careful', 'hostile'] as const) {
  it(`RC as the model has it: a ${program} program, up to 20 % of each fault (seed ${SEED})`, () => {
    const sum = { completions: 0, errors: 0, retriesExceeded: 0 };
    const failure = check(program, SEED, RUNS, sum);
    if (failure !== null) assert.fail(`seed ${SEED}: ${report(failure)}`);
    assert.ok(sum.completions > RUNS, 'something was tried');
  });
}
