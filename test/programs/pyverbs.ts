// pyverbs' own test-suite, all of it, held against the list in pyverbs.json: which tests pass, and which are skipped and why.
import { readFileSync, writeFileSync } from 'node:fs';
import { repoPath } from '../helpers/run.ts';
import type { ProgramCase } from './case.ts';

const LIST = repoPath('test/programs/pyverbs.json');
const SUITE = '/usr/share/doc/rdma-core/tests';

/** `passed`, or `skipped: ` and the reason that the test gives. */
type Results = Record<string, string>;

interface Line {
  readonly test: string;
  readonly result: 'started' | 'passed' | 'skipped' | 'failed';
  readonly why: string;
}

function linesOf(output: string): Line[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{"test"'))
    .map((line) => JSON.parse(line) as Line);
}

function check(output: string): string {
  const results: Results = {};
  const wrong: string[] = [];
  for (const { test, result, why } of linesOf(output)) {
    results[test] = result === 'skipped' ? `skipped: ${why}` : result;
    if (result === 'failed') wrong.push(`${test} failed`);
  }
  const counts = { passed: 0, skipped: 0, failed: 0, started: 0 };
  for (const result of Object.values(results)) counts[result.split(':')[0] as keyof typeof counts]++;
  console.log(`      ${counts.passed} passed, ${counts.skipped} skipped, ${counts.failed} failed`);
  if (process.env.UPDATE_PYVERBS_LIST === '1') {
    const sorted = Object.fromEntries(Object.entries(results).sort(([a], [b]) => (a < b ? -1 : 1)));
    writeFileSync(LIST, `${JSON.stringify(sorted, null, 2)}\n`);
    return wrong.join(', ');
  }
  const expected = JSON.parse(readFileSync(LIST, 'utf8')) as Results;
  for (const test of new Set([...Object.keys(expected), ...Object.keys(results)])) {
    // Why a test is skipped may differ between machines (huge pages, /dev/dri); that it is may not.
    if (results[test] === 'failed' || kindOf(results[test]) === kindOf(expected[test])) continue;
    wrong.push(`${test}: ${results[test] ?? 'did not run'}, and the list has: ${expected[test] ?? 'nothing'}`);
  }
  return wrong.join('; ');
}

const kindOf = (result: string | undefined): string | undefined => result?.split(':')[0];

export const pyverbs: readonly ProgramCase[] = [
  {
    name: "python3-pyverbs: rdma-core's test-suite",
    package: 'python3-pyverbs rdma-core',
    program: SUITE,
    command: [
      'bash',
      '-c',
      `set -e; d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cp -r ${SUITE} "$d/tests"; gunzip -f "$d"/tests/*.gz
       cd "$d"; /usr/bin/python3 '${repoPath('test/programs/pyverbs-run.py')}' tests --dev rxe0`,
    ],
    check,
    timeoutS: 300,
  },
];
