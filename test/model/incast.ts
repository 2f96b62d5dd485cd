// Incast: 32 hosts write to one at the same time, through a switch port with a short queue. What the transport makes of it
// without congestion control: goodput, retransmissions, how fairly the hosts share. Virtual time, so the figures repeat.
//
//   node test/model/incast.ts [--senders 32] [--ms 20] [--gbit 10] [--queue-kb 256] [--size-kb 64] [--window-kb 256] [--mtu 1024] [--seed 1]
import { parseArgs } from 'node:util';
import { mtuEnum, QpType, WcStatus, WrOpcode } from '../../src/core/constants.ts';
import type { SoftQp } from '../../src/transport/qp.ts';
import { connect, Fabric, type Node, sge } from '../transport/fabric.ts';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    senders: { ...text, default: '32' },
    ms: { ...text, default: '20' },
    gbit: { ...text, default: '10' },
    'queue-kb': { ...text, default: '256' },
    'size-kb': { ...text, default: '64' },
    'window-kb': { ...text, default: '256' },
    mtu: { ...text, default: '1024' },
    seed: { ...text, default: '1' },
  },
});
const SENDERS = Number(values.senders);
const US = Number(values.ms) * 1000;
const BANDWIDTH = (Number(values.gbit) * 1000) / 8;
const SIZE = Number(values['size-kb']) * 1024;
const DEPTH = 4;
/** How often a program looks at its completions. */
const LOOK_US = 5;

const fabric = new Fabric({ seed: Number(values.seed), latencyUs: 2 });
const port = {
  bandwidth: BANDWIDTH,
  queueBytes: Number(values['queue-kb']) * 1024,
  window: Number(values['window-kb']) * 1024,
};
const receiver = fabric.node(port);
const senders = Array.from({ length: SENDERS }, () => {
  const node = fabric.node(port);
  const [qp, peer] = [node.createQp(QpType.RC), receiver.createQp(QpType.RC)];
  connect(node, qp, receiver, peer, { pathMtu: mtuEnum(Number(values.mtu)), timeout: 8, retryCnt: 7 });
  const [from, to] = [node.regMr(SIZE), receiver.regMr(SIZE)];
  return { node, qp, post: () => write(node, qp, from, to), bytes: 0, failed: '' };
});

function write(node: Node, qp: SoftQp, from: ReturnType<Node['regMr']>, to: ReturnType<Node['regMr']>): void {
  const there = { remoteAddr: to.iova, rkey: to.rkey };
  node.send(qp, { opcode: WrOpcode.RDMA_WRITE, sge: [sge(from, 0, SIZE)], ...there });
}

for (const sender of senders) {
  for (let i = 0; i < DEPTH; i++) sender.post();
  const look = (): void => {
    for (const wc of sender.node.poll(sender.qp.sendCq)) {
      if (wc.status !== WcStatus.SUCCESS) sender.failed ||= `status ${wc.status} after ${fabric.sim.now.toFixed()} µs`;
      else sender.bytes += SIZE;
      if (sender.failed === '' && fabric.sim.now < US) sender.post();
    }
    if (fabric.sim.now < US) fabric.sim.at(LOOK_US, look);
  };
  fabric.sim.at(LOOK_US, look);
}
const started = performance.now();
fabric.run(US);

const total = senders.reduce((sum, s) => sum + s.bytes, 0);
const squares = senders.reduce((sum, s) => sum + s.bytes * s.bytes, 0);
const count = (name: 'sent_pkts' | 'retransmitted_pkts' | 'timeouts' | 'rcvd_seq_err'): number =>
  senders.reduce((sum, s) => sum + s.node.rxe.engine.counters[name], 0);
const gbit = (bytes: number): string => ((bytes * 8) / US / 1000).toFixed(3);
const failed = senders.filter((s) => s.failed !== '');
const sent = count('sent_pkts');
const rows: [string, string][] = [
  ['senders, WRITEs outstanding', `${SENDERS}, ${DEPTH} of ${values['size-kb']} KiB each; path MTU ${values.mtu}`],
  [
    'links, queue before the receiver',
    `${values.gbit} Gbit/s, ${values['queue-kb']} KiB; window ${values['window-kb']} KiB`,
  ],
  ['goodput', `${gbit(total)} Gbit/s (${((100 * total) / (US * BANDWIDTH)).toFixed(1)} % of the link)`],
  [
    'least and most of a sender',
    `${gbit(Math.min(...senders.map((s) => s.bytes)))}, ${gbit(Math.max(...senders.map((s) => s.bytes)))} Gbit/s`,
  ],
  ['fairness (Jain)', total === 0 ? '-' : (total ** 2 / (SENDERS * squares)).toFixed(3)],
  [
    'packets sent again',
    `${count('retransmitted_pkts')} of ${sent} (${((100 * count('retransmitted_pkts')) / sent).toFixed(1)} %)`,
  ],
  ['dropped at the full queue', String(fabric.sim.counters.queueDrops)],
  ['timeouts, NAKs of a gap', `${count('timeouts')}, ${count('rcvd_seq_err')}`],
  ['connections that failed', `${failed.length}${failed.length > 0 ? ` (first: ${failed[0].failed})` : ''}`],
  ['virtual, real time', `${values.ms} ms, ${((performance.now() - started) / 1000).toFixed(1)} s`],
];
for (const [what, figure] of rows) console.log(`${what.padEnd(34)} ${figure}`);
