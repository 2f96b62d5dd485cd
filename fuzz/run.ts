// Runs epoch after epoch; what fails is replayed with as little as shows it.
import { Epoch } from './epoch.ts';
import { captureCorpus } from './pool.ts';
import { Violation } from './violation.ts';

/** Inputs in one life of a world. */
export const EPOCH_INPUTS = 20_000;

export interface RunOptions {
  readonly inputs: number;
  readonly seed: number;
  /** Ends after so many seconds, whatever has been done. */
  readonly seconds?: number;
  /** First epoch. */
  readonly epoch?: number;
  /** Goes on after a failure, with the next epoch. */
  readonly keepGoing?: boolean;
  readonly onProgress?: (inputs: number, seconds: number) => void;
  readonly onEpoch?: (epoch: number) => void;
}

export interface Failure {
  readonly seed: number;
  readonly epoch: number;
  /** Index of the input in its epoch; {@link EPOCH_INPUTS}: at the end, when all was stopped. */
  readonly input: number;
  readonly rule: string;
  readonly error: Error;
  /** How often the same came. */
  count: number;
}

export interface RunResult {
  readonly inputs: number;
  readonly seconds: number;
  /** The longest that one input took, in milliseconds. */
  readonly slowest: number;
  readonly sentPackets: number;
  readonly failures: readonly Failure[];
}

/** Failures with the same rule, or the same place when the engine threw, are one. */
function ruleOf(error: Error): string {
  if (error instanceof Violation) return error.rule;
  const place = /\((?:file:\/\/)?[^)]*?((?:src|fuzz)\/[^):]*:\d+)/.exec(error.stack ?? '');
  return `${error.message} at ${place?.[1] ?? '?'}`;
}

export function run(options: RunOptions): RunResult {
  const corpus = captureCorpus();
  const began = performance.now();
  const failures = new Map<string, Failure>();
  let inputs = 0;
  let slowest = 0;
  let sentPackets = 0;
  const { seed, seconds = Number.POSITIVE_INFINITY } = options;
  for (let epoch = options.epoch ?? 0; inputs < options.inputs; epoch++) {
    const life = new Epoch(seed, epoch, corpus);
    const most = Math.min(EPOCH_INPUTS, options.inputs - inputs);
    let input = 0;
    try {
      let last = performance.now();
      for (; input < most; input++) {
        life.step(input);
        const now = performance.now();
        slowest = Math.max(slowest, now - last);
        last = now;
      }
      life.finish();
    } catch (error) {
      const rule = ruleOf(error as Error);
      const known = failures.get(rule);
      if (known !== undefined) known.count++;
      else failures.set(rule, { seed, epoch, input, rule, error: error as Error, count: 1 });
      if (options.keepGoing !== true) break;
    }
    inputs += most;
    sentPackets += life.world.delivery.sentPackets;
    const spent = (performance.now() - began) / 1000;
    options.onProgress?.(inputs, spent);
    options.onEpoch?.(epoch);
    if (spent > seconds) break;
  }
  const spent = (performance.now() - began) / 1000;
  return { inputs, seconds: spent, slowest, sentPackets, failures: [...failures.values()] };
}
