// What many hosts to one, or one to many, make of a link: goodput, fairness, what is sent again; with loss only and with ECN.
//
//   node test/model/incast.ts [--pattern write|read|readers] [--ecn-kb 64] [--hosts 32] [--ms 20] [--gbit 10] [--queue-kb 256]
//     [--size-kb 64] [--window-kb 256] [--mtu 1024] [--warmup-ms 0] [--seed 1]
//   node test/model/incast.ts --table    the patterns, path MTUs, loss only and ECN, a line each
import { parseArgs } from 'node:util';
import { type CongestionOptions, type CongestionResult, congest, type Pattern } from './congestion.ts';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    pattern: { ...text, default: 'write' },
    hosts: { ...text, default: '32' },
    ms: { ...text, default: '20' },
    gbit: { ...text, default: '10' },
    'queue-kb': { ...text, default: '256' },
    'ecn-kb': text,
    'size-kb': { ...text, default: '64' },
    'window-kb': { ...text, default: '256' },
    mtu: { ...text, default: '1024' },
    'warmup-ms': { ...text, default: '0' },
    timeout: { ...text, default: '8' },
    seed: { ...text, default: '1' },
    table: { type: 'boolean', default: false },
  },
});
const KB = 1024;
const ecn = values['ecn-kb'] === undefined ? Number.POSITIVE_INFINITY : Number(values['ecn-kb']) * KB;
const options: CongestionOptions = {
  pattern: values.pattern as Pattern,
  hosts: Number(values.hosts),
  us: Number(values.ms) * 1000,
  bandwidth: (Number(values.gbit) * 1000) / 8,
  queueBytes: Number(values['queue-kb']) * KB,
  ecnBytes: ecn,
  window: Number(values['window-kb']) * KB,
  mtu: Number(values.mtu),
  size: Number(values['size-kb']) * KB,
  depth: 4,
  warmupUs: Number(values['warmup-ms']) * 1000,
  timeout: Number(values.timeout),
  seed: Number(values.seed),
};
const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;

function show(r: CongestionResult): void {
  const gbit = (bytes: number): string => ((bytes * 8) / options.us / 1000).toFixed(3);
  const c = r.counters;
  const rows: [string, string][] = [
    ['pattern, hosts', `${options.pattern}, ${options.hosts}; path MTU ${options.mtu}`],
    ['goodput', percent(r.goodput)],
    ['least and most of a flow', `${gbit(Math.min(...r.bytes))}, ${gbit(Math.max(...r.bytes))} Gbit/s`],
    ['fairness (Jain)', r.fairness.toFixed(3)],
    [
      'packets sent again',
      `${c.retransmitted_pkts} of ${c.sent_pkts} (${percent(c.retransmitted_pkts / c.sent_pkts)})`,
    ],
    ['dropped at the full queue, marked', `${r.drops}, ${r.marks}`],
    ['timeouts, NAKs of a gap', `${c.timeouts}, ${c.rcvd_seq_err}`],
    ['connections that failed', `${r.failed.length}${r.failed.length > 0 ? ` (first: ${r.failed[0]})` : ''}`],
  ];
  for (const [what, figure] of rows) console.log(`${what.padEnd(34)} ${figure}`);
}

function table(): void {
  console.log('pattern   hosts   mtu   ecn   goodput  fairness  again   drops   marks  timeouts  failed');
  for (const pattern of ['write', 'read', 'readers'] as const) {
    for (const hosts of [2, 8, 32]) {
      for (const mtu of [1024, 4096]) {
        for (const ecnBytes of [Number.POSITIVE_INFINITY, 64 * KB]) {
          const r = congest({ ...options, pattern, hosts, mtu, ecnBytes });
          const c = r.counters;
          const again = percent(c.retransmitted_pkts / c.sent_pkts);
          const row = [hosts, mtu, ecnBytes === Number.POSITIVE_INFINITY ? '-' : `${ecnBytes / KB}`];
          const figures = [percent(r.goodput), r.fairness.toFixed(3), again, r.drops, r.marks, c.timeouts];
          const cells = [...row.map((v) => String(v).padStart(5)), ...figures.map((v) => String(v).padStart(7))];
          console.log(`${pattern.padEnd(8)} ${cells.join('  ')}  ${r.failed.length}`);
        }
      }
    }
  }
}

if (values.table) table();
else show(congest(options));
