// The rows of the bench. One more is one more entry here.
import { iperf3 } from './iperf3.ts';
import type { Measure } from './measure.ts';
import { perf } from './perf.ts';
import { rawUdp } from './raw.ts';
import { ucx } from './ucx.ts';

const MIB = 1 << 20;

export const MEASURES: readonly Measure[] = [
  {
    name: 'send-lat',
    title: 'SEND 64 B, half round trip, p50',
    unit: 'µs',
    better: 'lower',
    ours: perf('send-lat', ['--op', 'send', '--lat', '--size', '64']),
    peers: [{ ...ucx('UCX over TCP, 8 B', { test: 'tag_lat', size: 8, iters: 300_000 }), bar: { goal: 1, aim: 0.75 } }],
  },
  {
    name: 'write-bw',
    title: 'WRITE 1 MiB, bandwidth',
    unit: 'GB/s',
    better: 'higher',
    ours: perf('write-bw', ['--op', 'write', '--size', '1m']),
    peers: [
      { ...iperf3('iperf3, one TCP stream'), bar: { goal: 1, aim: 1.5 } },
      { ...ucx('UCX over TCP, 1 MiB', { test: 'tag_bw', size: MIB, iters: 9000 }), bar: { goal: 0.4, aim: 0.7 } },
      { ...rawUdp('UDP alone, copy and CRC'), bar: { goal: 0.6, aim: 0.8 } },
    ],
  },
];
