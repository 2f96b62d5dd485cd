// The result as a table and as JSON.
import Table from 'cli-table3';
import type { Machine } from './machine.ts';
import type { Bar, Measure, Peer } from './measure.ts';
import type { MeasureRun, Track } from './rounds.ts';
import { figures, ratioOf, type Summary, summarize, type Verdict, verdict } from './statistics.ts';

export interface PeerReport {
  readonly name: string;
  readonly figure: Summary | null;
  /** Ours divided by the peer's. */
  readonly ratio: number | null;
  readonly bar: Bar;
  readonly verdict: Verdict | null;
  readonly failures: readonly string[];
}

export interface MeasureReport {
  readonly name: string;
  readonly title: string;
  readonly unit: Measure['unit'];
  readonly better: Measure['better'];
  readonly ours: { readonly figure: Summary | null; readonly failures: readonly string[] };
  readonly peers: readonly PeerReport[];
}

export interface Report {
  readonly machine: Machine;
  readonly quick: boolean;
  readonly rounds: number;
  readonly measures: readonly MeasureReport[];
}

export function reportOf({ measure, ours, peers }: MeasureRun): MeasureReport {
  const { name, title, unit, better } = measure;
  return {
    name,
    title,
    unit,
    better,
    ours: { figure: summarize(figures(ours.series)), failures: distinct(ours.failures) },
    peers: peers.map((track, i) => peerReport(measure.peers[i], track, ours, better)),
  };
}

function peerReport({ name, bar }: Peer, track: Track, ours: Track, better: Measure['better']): PeerReport {
  const ratio = ratioOf(ours.series, track.series);
  return {
    name,
    figure: summarize(figures(track.series)),
    ratio,
    bar,
    verdict: ratio === null ? null : verdict(ratio, bar, better),
    failures: distinct(track.failures),
  };
}

const distinct = (texts: readonly string[]): string[] => [...new Set(texts)];

export function tableOf(report: Report): string {
  const table = new Table({
    head: ['measure', 'ours', 'beside', '', 'ratio', 'bar', ''],
    style: { head: [], border: [], compact: true },
  });
  const notes: string[] = [];
  const note = (name: string, figure: Summary | null, failures: readonly string[]): string => {
    if (failures.length === 0) return '';
    const mark = `[${notes.length + 1}]`;
    notes.push(`${mark} ${name}: ${figure?.count ?? 0} of ${report.rounds} rounds. ${failures.join('; ')}`);
    return ` ${mark}`;
  };
  for (const { title, unit, better, ours, peers } of report.measures) {
    const own = shown(ours.figure, ` ${unit}`) + note(title, ours.figure, ours.failures);
    peers.forEach((peer, i) => {
      table.push([
        i === 0 ? title : '',
        i === 0 ? own : '',
        peer.name,
        shown(peer.figure, ` ${unit}`) + note(peer.name, peer.figure, peer.failures),
        peer.ratio?.toFixed(2) ?? '',
        `${better === 'lower' ? '≤' : '≥'} ${peer.bar.goal} (aim ${peer.bar.aim})`,
        peer.verdict ?? '',
      ]);
    });
    if (peers.length === 0) table.push([title, own, '', '', '', '', '']);
  }
  if (isDisturbed(report)) notes.push('Rounds differ much: something else was running, and this run is worth little.');
  return [table.toString(), ...notes].join('\n');
}

/** Rounds of a quiet machine differ by a tenth. */
const MUCH = 2;

/** Whether the rounds of any contender differ so much that the medians may be off, too. */
export function isDisturbed({ measures }: Report): boolean {
  const all = measures.flatMap(({ ours, peers }) => [ours.figure, ...peers.map(({ figure }) => figure)]);
  return all.some((figure) => figure !== null && figure.max > MUCH * figure.min);
}

/** `3.87 µs (3.80–4.10)`: the median, the smallest and the largest. */
export function shown(summary: Summary | null, unit: string): string {
  if (summary === null) return 'none';
  const { median, min, max } = summary;
  return `${median.toFixed(2)}${unit} (${min.toFixed(2)}–${max.toFixed(2)})`;
}
