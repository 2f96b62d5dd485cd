// One run of the model against the transport: many scenarios drawn from a seed, and the shortest that fails.
import fc from 'fast-check';
import { type Scenario, scenarios } from './scenario.ts';
import { type Outcome, play } from './world.ts';

export type Program = 'careful' | 'hostile';

export interface Failure {
  /** The shortest scenario that fails, in one line, for `--scenario`. */
  readonly scenario: string;
  readonly events: string;
  readonly error: string;
}

/** Plays `runs` scenarios drawn from `seed`; adds up what happened in `sum`. */
export function check(program: Program, seed: number, runs: number, sum: Outcome): Failure | null {
  const property = fc.property(scenarios(program === 'hostile'), (scenario) => {
    const outcome = play(scenario);
    sum.completions += outcome.completions;
    sum.errors += outcome.errors;
    sum.retriesExceeded += outcome.retriesExceeded;
  });
  const { failed, counterexample, errorInstance } = fc.check(property, { seed, numRuns: runs, unbiased: true });
  return failed && counterexample !== null ? explain(counterexample[0], errorInstance) : null;
}

export function explain(scenario: Scenario, error: unknown): Failure {
  const { acts, ...network } = scenario;
  const lines = [
    JSON.stringify(network),
    ...acts.map((act, i) => `${String(i + 1).padStart(3)} ${JSON.stringify(act)}`),
  ];
  return {
    scenario: JSON.stringify(scenario),
    events: lines.join('\n'),
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  };
}

export const report = ({ scenario, events, error }: Failure): string =>
  `${error}\n\n${events}\n\nreplay: node test/model/faults-main.ts --scenario '${scenario}'`;
