// Runs everybody in turn, round after round, so that what a shared machine does to one it does to all.
import type { Contender, Measure, Settings } from './measure.ts';
import { isInstalled } from './running.ts';

/** Figures of one contender, one for each round; null where there is none, and why. */
export interface Track {
  readonly contender: Contender;
  readonly series: (number | null)[];
  readonly failures: string[];
}

export interface MeasureRun {
  readonly measure: Measure;
  readonly ours: Track;
  readonly peers: Track[];
}

export interface Schedule {
  readonly rounds: number;
  readonly quick: boolean;
  /** Milliseconds that one measurement may take. */
  readonly limit: number;
  /** Milliseconds for all of them: what is left then is not run. */
  readonly total: number;
  readonly signal: AbortSignal;
  onStep?(round: number, measure: Measure, contender: Contender): void;
}

const track = (contender: Contender): Track => ({ contender, series: [], failures: [] });

export async function runRounds(measures: readonly Measure[], schedule: Schedule): Promise<MeasureRun[]> {
  const runs = measures.map((measure) => ({ measure, ours: track(measure.ours), peers: measure.peers.map(track) }));
  const end = performance.now() + schedule.total;
  for (let round = 0; round < schedule.rounds && !schedule.signal.aborted; round++) {
    for (const { measure, ours, peers } of runs) {
      for (const t of [ours, ...peers]) {
        if (schedule.signal.aborted) break;
        schedule.onStep?.(round, measure, t.contender);
        await runOne(t, schedule, round, end);
      }
    }
  }
  return runs;
}

async function runOne(
  { contender, series, failures }: Track,
  schedule: Schedule,
  round: number,
  end: number,
): Promise<void> {
  const { needs } = contender;
  const ms = Math.floor(Math.min(schedule.limit, end - performance.now()));
  try {
    if (needs !== undefined && !isInstalled(needs.command)) {
      throw new Error(`${needs.command} is not installed (Debian package ${needs.pkg})`);
    }
    if (ms <= 0) throw new Error('no time was left');
    const signal = AbortSignal.any([AbortSignal.timeout(ms), schedule.signal]);
    const settings: Settings = { quick: schedule.quick, round, signal };
    series.push(await contender.run(settings));
  } catch (error) {
    series.push(null);
    failures.push((error as Error).message);
  }
}
