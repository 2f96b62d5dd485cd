// The rows of the bench. One more is one more entry here.
import { iperf3 } from './iperf3.ts';
import type { Measure, Settings } from './measure.ts';
import { perf, twoAddresses } from './perf.ts';
import { rawUdp } from './raw.ts';
import { otherSide, type SideArgs, side } from './side.ts';
import { ucx } from './ucx.ts';
import { cmtime, lsAlone, lsUnderRun, nodeStart, perftest, processStart, verbsCommand } from './under-run.ts';

const MIB = 1 << 20;
const KIB = 1 << 10;
const SHARED_MEMORY = 'sysv,cma,self';
const SOAK_MS = 300_000;

// Those that stand in several rows are measured once in a round.
const seconds = ({ quick }: Settings): string => (quick ? '0.4' : '1');
const withArgs =
  (...args: string[]): SideArgs =>
  (settings) => [...twoAddresses(), ...args, seconds(settings)];

const WRITE = ['--op', 'write', '--size', '1m'];
const write = perf('write-bw', WRITE);
const writeUdp = perf('write-bw-udp', WRITE, { link: 'udp' });
const SEND_LAT = ['--op', 'send', '--lat', '--size', '64'];
const sendLat = perf('send-lat', SEND_LAT);
const ucxLat = ucx('UCX over TCP, 8 B', { test: 'tag_lat', size: 8, iters: 150_000 });
const ucxBw = ucx('UCX over TCP, 1 MiB', { test: 'tag_bw', size: MIB, iters: 6000 });
const tcp = iperf3('iperf3, one TCP stream');
const eventsLat = perftest('ib_send_lat', {
  quick: ['-e', '-s', '64', '-n', '3000'],
  full: ['-e', '-s', '64', '-n', '10000'],
});
const streamFor = (seconds: string): string[] => ['-s', '65536', '-D', seconds, '--report_gbits'];
/** perftest leaves out the first and the last quarter: in the first second of a run V8 compiles the service. */
const STREAM = { quick: streamFor('1'), full: streamFor('4') };
const oneBusy = (count: number): ReturnType<typeof side> => side('many-qps.ts', withArgs(String(count)));
const manyQps = oneBusy(10_000);
const stream =
  (kind: string): SideArgs =>
  (settings) => [kind, ...twoAddresses(), seconds(settings)];
const rdmaSocket = side('stream.ts', stream('rdma'));
const tcpSocket = otherSide('stream.ts', stream('tcp'));
const soak = side('soak.ts', () => [...twoAddresses(), '10000000']);

export const MEASURES: readonly Measure[] = [
  {
    name: 'send-lat',
    title: 'SEND 64 B, half round trip, p50',
    unit: 'µs',
    better: 'lower',
    ours: sendLat,
    peers: [
      { ...ucxLat, bar: { goal: 1, aim: 0.75 } },
      ucx('UCX, shared memory, 8 B', { test: 'tag_lat', size: 8, iters: 500_000, transports: SHARED_MEMORY }),
    ],
  },
  {
    name: 'send-lat-udp',
    title: 'SEND 64 B through sockets, p50',
    unit: 'µs',
    better: 'lower',
    ours: perf('send-lat-udp', SEND_LAT, { link: 'udp' }),
    peers: [{ ...ucxLat, bar: { goal: 1, aim: 0.75 } }],
  },
  {
    name: 'send-await',
    title: 'SEND 64 B, half round trip, await',
    unit: 'µs',
    better: 'lower',
    ours: perf('send-await', ['--op', 'send', '--lat', '--size', '64', '--events']),
    peers: [{ ...otherSide('dgram.ts', withArgs('64'))('us', 'node:dgram, 64 B'), bar: { goal: 1 } }],
  },
  {
    name: 'send-rate',
    title: 'SEND 64 B, depth 128',
    unit: 'M/s',
    better: 'higher',
    ours: perf('send-rate', ['--op', 'send', '--size', '64', '--tx-depth', '128'], { figure: 'rate' }),
    bar: { goal: 0.5, aim: 2 },
    peers: [ucx('UCX over TCP, 8 B', { test: 'tag_bw', size: 8, iters: 2_000_000, rate: true })],
  },
  {
    name: 'write-bw',
    title: 'WRITE 1 MiB, bandwidth',
    unit: 'GB/s',
    better: 'higher',
    ours: write,
    peers: [
      { ...tcp, bar: { goal: 1, aim: 1.5 } },
      { ...ucxBw, bar: { goal: 0.4, aim: 0.7 } },
      ucx('UCX, shared memory, 1 MiB', { test: 'tag_bw', size: MIB, iters: 10_000, transports: SHARED_MEMORY }),
    ],
  },
  {
    name: 'write-bw-udp',
    title: 'WRITE 1 MiB through sockets',
    unit: 'GB/s',
    better: 'higher',
    ours: writeUdp,
    peers: [
      { ...tcp, bar: { goal: 1, aim: 1.5 } },
      { ...ucxBw, bar: { goal: 0.4, aim: 0.7 } },
      { ...rawUdp('UDP alone, copy and CRC'), bar: { goal: 0.6, aim: 0.8 } },
    ],
  },
  {
    name: 'read-bw',
    title: 'READ 1 MiB, bandwidth',
    unit: 'GB/s',
    better: 'higher',
    ours: perf('read-bw', ['--op', 'read', '--size', '1m']),
    peers: [{ ...write, name: 'our WRITE 1 MiB', bar: { goal: 0.9 } }],
  },
  {
    name: 'qps',
    title: '10,000 QPs, one busy: WRITE 64 B',
    unit: 'M/s',
    better: 'higher',
    ours: manyQps('rate'),
    peers: [{ ...oneBusy(1)('rate', 'one QP'), bar: { goal: 0.9 } }],
  },
  {
    name: 'qp-memory',
    title: '10,000 QPs: memory of one',
    unit: 'KiB',
    better: 'lower',
    ours: manyQps('kib'),
    bar: { goal: 8 },
    peers: [],
  },
  {
    name: 'run-bw',
    title: 'run: ib_write_bw 64 KiB',
    unit: 'GB/s',
    better: 'higher',
    ours: perftest('ib_write_bw', STREAM),
    peers: [
      { ...tcp, bar: { goal: 1 } },
      {
        ...ucx('UCX, shared memory', {
          test: 'tag_bw',
          size: 64 * KIB,
          iters: 60_000,
          transports: SHARED_MEMORY,
        }),
      },
    ],
  },
  {
    name: 'run-two-bw',
    title: 'run: ib_write_bw 64 KiB, two runs',
    unit: 'GB/s',
    better: 'higher',
    ours: perftest('ib_write_bw', {
      runs: 2,
      ...STREAM,
    }),
    peers: [{ ...write, name: 'our WRITE 1 MiB', bar: { goal: 0.5, aim: 0.9 } }],
  },
  {
    name: 'run-two-bw-udp',
    title: 'run: the same through sockets',
    unit: 'GB/s',
    better: 'higher',
    ours: perftest('ib_write_bw', {
      runs: 2,
      sockets: true,
      ...STREAM,
    }),
    peers: [{ ...writeUdp, name: 'our WRITE through sockets', bar: { goal: 0.5, aim: 0.9 } }],
  },
  {
    name: 'run-events-lat',
    title: 'run: ib_send_lat -e, 64 B',
    unit: 'µs',
    better: 'lower',
    ours: eventsLat,
    bar: { goal: 60, aim: 25 },
    peers: [],
  },
  {
    name: 'run-lat',
    title: 'run: ib_send_lat, polling, 64 B',
    unit: 'µs',
    better: 'lower',
    ours: perftest('ib_send_lat', { quick: ['-s', '64', '-n', '1000'], full: ['-s', '64', '-n', '4000'] }),
    peers: [{ ...eventsLat, name: 'with -e', bar: { goal: 1 } }],
  },
  {
    name: 'run-verb',
    title: 'run: a verbs command (PD)',
    unit: 'µs',
    better: 'lower',
    ours: verbsCommand,
    bar: { goal: 20 },
    peers: [],
  },
  {
    name: 'run-start',
    title: 'run: a process more to start',
    unit: 'ms',
    better: 'lower',
    ours: processStart,
    bar: { goal: 150 },
    peers: [nodeStart],
  },
  {
    name: 'run-ls',
    title: 'run: ls -lR /usr/share',
    unit: 'ms',
    better: 'lower',
    ours: lsUnderRun,
    peers: [{ ...lsAlone, bar: { goal: 2 } }],
  },
  {
    name: 'connect',
    title: 'Connection set-up',
    unit: 'ms',
    better: 'lower',
    ours: side('connect.ts', ({ quick }) => [...twoAddresses(), quick ? '200' : '500'])('ms'),
    bar: { goal: 0.5 },
    peers: [],
  },
  {
    name: 'cmtime',
    title: 'run: cmtime, 1000 connections, each',
    unit: 'ms',
    better: 'lower',
    ours: cmtime(1000),
    peers: [],
  },
  {
    name: 'socket-bw',
    title: 'RdmaSocket, writes of 64 KiB',
    unit: 'GB/s',
    better: 'higher',
    ours: rdmaSocket('gbps'),
    peers: [{ ...tcpSocket('gbps', "Node's TCP socket"), bar: { goal: 0.8 } }],
  },
  {
    name: 'socket-lat',
    title: 'RdmaSocket, round trip of 64 B',
    unit: 'µs',
    better: 'lower',
    ours: rdmaSocket('us'),
    peers: [{ ...tcpSocket('us', "Node's TCP socket"), bar: { goal: 0.5 } }],
  },
  {
    name: 'psm2-lat',
    title: 'PSM2 8 B, half round trip',
    unit: 'µs',
    better: 'lower',
    ours: side('psm2.ts', withArgs('8'))('us'),
    // PSM2 is an extension of hfi1: what it costs is told by that device's own verbs.
    peers: [
      { ...perf('hfi1-send-lat', SEND_LAT, { driver: 'hfi1' }), name: 'SEND 64 B, hfi1', bar: { goal: 1.3 } },
      { ...sendLat, name: 'SEND 64 B, rxe' },
    ],
  },
  {
    name: 'psm2-bw',
    title: 'PSM2 1 MiB',
    unit: 'GB/s',
    better: 'higher',
    ours: side('psm2.ts', withArgs(String(MIB)))('gbps'),
    peers: [
      { ...perf('hfi1-write-bw', WRITE, { driver: 'hfi1' }), name: 'WRITE 1 MiB, hfi1', bar: { goal: 0.9 } },
      { ...write, name: 'WRITE 1 MiB, rxe' },
    ],
  },
  {
    name: 'soak',
    title: '10 million SENDs: growth of RSS',
    unit: 'MiB',
    better: 'lower',
    ours: soak('rss'),
    bar: { goal: 8 },
    peers: [],
    alone: SOAK_MS,
  },
  {
    name: 'soak-heap',
    title: '10 million SENDs: growth of the heap',
    unit: 'MiB',
    better: 'lower',
    ours: soak('heap'),
    bar: { goal: 1 },
    peers: [],
    alone: SOAK_MS,
  },
];
