// Bandwidth and latency over message size, ours and the peers': what the plots are made of.
import { iperf3 } from './iperf3.ts';
import type { Measure } from './measure.ts';
import { perf } from './perf.ts';
import type { Line, Plot } from './plot.ts';
import type { MeasureReport } from './report.ts';
import { ucx } from './ucx.ts';
import { perftest } from './under-run.ts';

const SIZES = [64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576];
/** Of either plot a measure for each size. */
export type Sweep = { readonly title: string; readonly file: string; readonly measures: readonly Measure[] };

const times = (most: number, bytes: number, size: number): number => Math.min(most, Math.ceil(bytes / size));

function bandwidth(size: number): Measure {
  const s = String(size);
  const perftestArgs = ['-s', s, '-D', '1', '--report_gbits'];
  return {
    name: `bandwidth-${size}`,
    title: `bandwidth, ${size} B`,
    unit: 'GB/s',
    better: 'higher',
    ours: { ...perf('bandwidth', ['--op', 'write', '--size', s]), name: 'infinitive, WRITE' },
    peers: [
      { ...perf('bandwidth-udp', ['--op', 'write', '--size', s], { link: 'udp' }), name: 'the same through sockets' },
      { ...perftest('ib_write_bw', { quick: perftestArgs, full: perftestArgs }), name: 'ib_write_bw under run' },
      ucx('UCX over TCP', { test: 'tag_bw', size, iters: times(800_000, 4e9, size) }),
      iperf3('iperf3, one TCP stream', size),
    ],
  };
}

function latency(size: number): Measure {
  const s = String(size);
  const iters = String(times(3000, 1e9, size));
  const perftestArgs = ['-e', '-s', s, '-n', iters];
  return {
    name: `latency-${size}`,
    title: `latency, ${size} B`,
    unit: 'µs',
    better: 'lower',
    ours: { ...perf('latency', ['--op', 'send', '--lat', '--size', s]), name: 'infinitive, SEND' },
    peers: [
      {
        ...perf('latency-udp', ['--op', 'send', '--lat', '--size', s], { link: 'udp' }),
        name: 'the same through sockets',
      },
      { ...perftest('ib_send_lat', { quick: perftestArgs, full: perftestArgs }), name: 'ib_send_lat -e under run' },
      ucx('UCX over TCP', { test: 'tag_lat', size, iters: times(100_000, 2e9, size) }),
    ],
  };
}

export const SWEEPS: readonly Sweep[] = [
  { title: 'Bandwidth within a host', file: 'performance-bandwidth.svg', measures: SIZES.map(bandwidth) },
  {
    title: 'Latency within a host: half a round trip, median',
    file: 'performance-latency.svg',
    measures: SIZES.map(latency),
  },
];

/** The reports of a sweep's measures, in order of size, as lines. */
export function plotOf(title: string, reports: readonly MeasureReport[]): Plot {
  const sizes = reports.map(({ name }) => Number(name.split('-').at(-1)));
  const line = (name: string, medianOf: (report: MeasureReport) => number | undefined): Line => ({
    name,
    points: reports.flatMap((report, i) => {
      const figure = medianOf(report);
      return figure === undefined ? [] : [[sizes[i], figure] as const];
    }),
  });
  const lines = [
    line(reports[0].oursName, ({ ours }) => ours.figure?.median),
    ...reports[0].peers.map(({ name }, p) => line(name, ({ peers }) => peers[p].figure?.median)),
  ];
  return { title, unit: reports[0].unit, lines: lines.filter(({ points }) => points.length > 0) };
}
