// The long version of rc.test.ts: many seeds, each with careful and hostile programs, on networks that lose, duplicate,
// reorder and corrupt up to 20 % of the packets, with all path MTUs, both ends sending, QPs that share CQs and SRQs.
//
//   npm run test:faults -- --seeds 1000 [--from 1] [--runs 10]
//   npm run test:faults -- --scenario '{…}'      replays one
import { parseArgs } from 'node:util';
import { check, explain, report } from './run.ts';
import { play } from './world.ts';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    seeds: { ...text, default: '100' },
    from: { ...text, default: '1' },
    runs: { ...text, default: '10' },
    scenario: text,
  },
});
const PROGRESS_MS = 2000;

function replay(json: string): number {
  const scenario = JSON.parse(json);
  try {
    console.log('passes', play(scenario));
    return 0;
  } catch (error) {
    console.error(report(explain(scenario, error)));
    return 1;
  }
}

function search(from: number, seeds: number, runs: number): number {
  const sum = { completions: 0, errors: 0, retriesExceeded: 0 };
  const started = performance.now();
  let shown = started;
  for (let seed = from; seed < from + seeds; seed++) {
    for (const program of ['careful', 'hostile'] as const) {
      const failure = check(program, seed, runs, sum);
      if (failure === null) continue;
      console.error(`seed ${seed}, ${program} program: ${report(failure)}`);
      console.error(`or: npm run test:faults -- --from ${seed} --seeds 1 --runs ${runs}`);
      return 1;
    }
    if (performance.now() - shown < PROGRESS_MS && seed !== from + seeds - 1) continue;
    shown = performance.now();
    const { completions, errors, retriesExceeded } = sum;
    const done = `${seed - from + 1} of ${seeds} seeds in ${((shown - started) / 1000).toFixed(0)} s`;
    console.log(`${done}: ${completions} completions, ${errors} in error, ${retriesExceeded} of them retries used up`);
  }
  return 0;
}

process.exitCode =
  values.scenario === undefined
    ? search(Number(values.from), Number(values.seeds), Number(values.runs))
    : replay(values.scenario);
