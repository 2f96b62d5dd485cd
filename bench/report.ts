// The result as a table and as JSON.
import Table from 'cli-table3';
import type { Distance } from './distance.ts';
import type { Machine } from './machine.ts';
import type { Bar, Measure, Peer } from './measure.ts';
import type { MeasureRun, Track } from './rounds.ts';
import { figures, ratioOf, type Summary, summarize, type Verdict, verdict } from './statistics.ts';

export interface PeerReport {
  readonly name: string;
  readonly figure: Summary | null;
  /** Ours divided by the peer's. */
  readonly ratio: number | null;
  readonly bar: Bar | null;
  readonly verdict: Verdict | null;
  readonly failures: readonly string[];
}

export interface MeasureReport {
  readonly name: string;
  readonly title: string;
  readonly unit: Measure['unit'];
  readonly better: Measure['better'];
  readonly oursName: string;
  readonly ours: { readonly figure: Summary | null; readonly failures: readonly string[] };
  /** For our figure itself, not for a ratio. */
  readonly bar: Bar | null;
  readonly verdict: Verdict | null;
  readonly peers: readonly PeerReport[];
}

export interface Report {
  readonly machine: Machine;
  readonly quick: boolean;
  readonly rounds: number;
  /** Nanoseconds from one CPU to another, before each measurement; null with one CPU. */
  readonly distance: Distance | null;
  readonly measures: readonly MeasureReport[];
}

export function reportOf({ measure, ours, peers }: MeasureRun): MeasureReport {
  const { name, title, unit, better, bar } = measure;
  const figure = summarize(figures(ours.series));
  return {
    name,
    title,
    unit,
    better,
    oursName: measure.ours.name,
    ours: { figure, failures: distinct(ours.failures) },
    bar: bar ?? null,
    verdict: figure === null || bar === undefined ? null : verdict(figure.median, bar, better),
    peers: peers.map((track, i) => peerReport(measure.peers[i], track, ours, better)),
  };
}

function peerReport({ name, bar }: Peer, track: Track, ours: Track, better: Measure['better']): PeerReport {
  const ratio = ratioOf(ours.series, track.series);
  return {
    name,
    figure: summarize(figures(track.series)),
    ratio,
    bar: bar ?? null,
    verdict: ratio === null || bar === undefined ? null : verdict(ratio, bar, better),
    failures: distinct(track.failures),
  };
}

const distinct = (texts: readonly string[]): string[] => [...new Set(texts)];

const HEAD = ['measure', 'ours', 'beside', '', 'ratio', 'bar', ''];

export function tableOf(report: Report): string {
  const table = new Table({ head: HEAD, style: { head: [], border: [], compact: true } });
  const { rows, notes } = rowsOf(report);
  table.push(...rows);
  if (isDisturbed(report)) notes.push('Rounds differ much: something else was running, and this run is worth little.');
  return [table.toString(), ...notes].join('\n');
}

/** The same for a document. */
export function markdownOf(report: Report): string {
  const { rows, notes } = rowsOf(report);
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const lines = [HEAD, HEAD.map(() => '---'), ...rows].map(line);
  return [...lines, ...notes.map((note) => `\n${note}`), ''].join('\n');
}

const MOVED =
  ' The host has moved them in between: what goes through memory has two speeds, and ratios are worth little.';

function distanceText({ median, min, max, moved }: Distance): string {
  const [at, from, to] = [median, min, max].map((ns) => ns.toFixed(0));
  return `From one CPU to another a cache line took ${at} ns (${from}–${to}).${moved ? MOVED : ''}`;
}

function rowsOf(report: Report): { rows: string[][]; notes: string[] } {
  const rows: string[][] = [];
  const notes: string[] = [];
  const note = (name: string, figure: Summary | null, failures: readonly string[]): string => {
    if (failures.length === 0) return '';
    const mark = `[${notes.length + 1}]`;
    notes.push(`${mark} ${name}: ${figure?.count ?? 0} of ${report.rounds} rounds. ${failures.join('; ')}`);
    return ` ${mark}`;
  };
  for (const { title, unit, better, ours, bar, verdict, peers } of report.measures) {
    let first = [title, shown(ours.figure, ` ${unit}`) + note(title, ours.figure, ours.failures)];
    const row = (...cells: string[]): void => {
      rows.push([...first, ...cells]);
      first = ['', ''];
    };
    if (bar !== null || peers.length === 0) row('', '', '', barText(bar, better, ` ${unit}`), verdict ?? '');
    for (const peer of peers) {
      const figure = shown(peer.figure, ` ${unit}`) + note(peer.name, peer.figure, peer.failures);
      row(peer.name, figure, peer.ratio?.toFixed(2) ?? '', barText(peer.bar, better, ''), peer.verdict ?? '');
    }
  }
  if (report.distance !== null) notes.push(distanceText(report.distance));
  return { rows, notes };
}

function barText(bar: Bar | null, better: Measure['better'], unit: string): string {
  if (bar === null) return '';
  const aim = bar.aim === undefined ? '' : ` (aim ${bar.aim})`;
  return `${better === 'lower' ? '≤' : '≥'} ${bar.goal}${unit}${aim}`;
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
