// npm run bench: our figures beside those of peers, on this machine and in this hour. See docs/performance.md.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { CpuDistance } from './distance.ts';
import { describeMachine, machineLine } from './machine.ts';
import type { Measure } from './measure.ts';
import { MEASURES } from './measures.ts';
import { svgOf } from './plot.ts';
import { topOf } from './profile.ts';
import { markdownOf, type Report, reportOf, tableOf } from './report.ts';
import { runRounds } from './rounds.ts';
import { plotOf, SWEEPS } from './sweep.ts';

const TOP = 15;
const FULL = { rounds: 5, limit: 20_000, total: 590_000 };
const PLOTS = { rounds: 3, limit: 15_000, total: 480_000 };
const QUICK = { rounds: 2, limit: 10_000, total: 115_000 };

interface Flags {
  readonly quick: boolean;
  readonly only?: string[];
  readonly json?: string;
  readonly markdown?: string;
  readonly profile: boolean;
  readonly plots?: string;
}

const flags = new Command('bench')
  .description('Measures this project beside its peers. They run in turn; only ratios within one run mean something.')
  .option('--quick', '2 shorter rounds: at most 2 minutes instead of 10', false)
  .addOption(new Option('--only <name...>', 'only these rows').choices(MEASURES.map(({ name }) => name)))
  .option('--json <file>', 'also write the result there')
  .option('--markdown <file>', 'also write the table there, as docs/performance.md has it')
  .option('--profile', 'only ours, once, under the CPU profiler: where the time goes', false)
  .option('--plots <folder>', 'only bandwidth and latency over message size, drawn as SVG there: 3 rounds, or 1')
  .parse()
  .opts<Flags>();

const measures = MEASURES.filter(({ name, alone }) => flags.only?.includes(name) ?? alone === undefined);
const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    process.exitCode = 130;
    interrupt.abort();
  });
}

if (flags.profile) await profile();
else if (flags.plots !== undefined) await plot(flags.plots);
else await compare();

async function measured(measures: readonly Measure[], schedule: typeof FULL): Promise<Report> {
  const machine = describeMachine();
  console.log(machineLine(machine));
  const distance = new CpuDistance();
  const runs = await runRounds(measures, {
    ...schedule,
    quick: flags.quick,
    signal: interrupt.signal,
    onStep: (round, measure, { name }) => {
      progress(`round ${round + 1}/${schedule.rounds}: ${measure.title}: ${name}`);
      distance.look();
    },
  });
  distance.close();
  progress('');
  const { quick } = flags;
  const { rounds } = schedule;
  const report: Report = { machine, quick, rounds, distance: distance.summary, measures: runs.map(reportOf) };
  console.log(tableOf(report));
  console.log(`Medians of ${schedule.rounds} rounds (smallest–largest); ratio: our median to the peer's.`);
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(report, null, 2)}\n`);
  if (flags.markdown !== undefined) writeFileSync(flags.markdown, `${machineLine(machine)}\n\n${markdownOf(report)}`);
  return report;
}

async function plot(folder: string): Promise<void> {
  const { measures } = await measured(
    SWEEPS.flatMap((sweep) => sweep.measures),
    flags.quick ? { ...PLOTS, rounds: 1 } : PLOTS,
  );
  let at = 0;
  for (const { title, file, measures: own } of SWEEPS) {
    writeFileSync(join(folder, file), svgOf(plotOf(title, measures.slice(at, at + own.length))));
    at += own.length;
  }
}

async function compare(): Promise<void> {
  const limit = Math.max(...measures.map(({ alone }) => alone ?? 0));
  const usual = flags.quick ? QUICK : FULL;
  const schedule = limit === 0 ? usual : { rounds: 1, limit, total: limit * measures.length };
  const report = await measured(measures, schedule);
  // A bar that is missed is news, not a failure; that nothing of ours could be measured is one.
  if (report.measures.some(({ ours }) => ours.figure === null)) process.exitCode ??= 1;
}

async function profile(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'infinitive-bench-'));
  for (const { title, unit, ours } of measures) {
    if (ours.profile === undefined) continue;
    const signal = AbortSignal.any([AbortSignal.timeout(FULL.limit), interrupt.signal]);
    const { figure, profiles } = await ours.profile({ quick: flags.quick, round: 0, signal }, dir);
    console.log(`${title}: ${figure.toFixed(2)} ${unit} while profiled`);
    for (const { side, file } of profiles) {
      console.log(`\n${side}, self time (${file}):`);
      for (const { share, where } of topOf(JSON.parse(readFileSync(file, 'utf8')), TOP)) {
        console.log(`${(share * 100).toFixed(1).padStart(5)} %  ${where}`);
      }
    }
    console.log();
  }
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
