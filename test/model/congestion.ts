// Many hosts and one, through a switch port with a short queue: what the transport makes of it. Virtual time, so the figures
// repeat.
import { mtuEnum, QpType, WcStatus, WrOpcode } from '../../src/core/constants.ts';
import type { Counters } from '../../src/transport/counters.ts';
import { connect, Fabric, sge } from '../transport/fabric.ts';

/** Which way the data goes: all write to one, one reads from all, all read from one. */
export type Pattern = 'write' | 'read' | 'readers';

export interface CongestionOptions {
  readonly pattern: Pattern;
  readonly hosts: number;
  readonly us: number;
  /** Bytes per microsecond of every link. */
  readonly bandwidth: number;
  readonly queueBytes: number;
  /** From so many bytes in the queue on packets are marked; Infinity: loss only. */
  readonly ecnBytes: number;
  readonly window: number;
  readonly mtu: number;
  readonly size: number;
  readonly depth: number;
  /** Time before the figures are taken. */
  readonly warmupUs: number;
  /** ack timeout, as in modify_qp: 8 is 1 ms. */
  readonly timeout: number;
  readonly seed: number;
}

export const INCAST: CongestionOptions = {
  pattern: 'write',
  hosts: 32,
  us: 20_000,
  bandwidth: 1250,
  queueBytes: 256 * 1024,
  ecnBytes: Number.POSITIVE_INFINITY,
  window: 256 * 1024,
  mtu: 1024,
  size: 64 * 1024,
  depth: 4,
  warmupUs: 0,
  timeout: 8,
  seed: 1,
};

export interface CongestionResult {
  /** Bytes of each flow, and the part of the link that all of them fill. */
  readonly bytes: number[];
  readonly goodput: number;
  /** Jain's index: 1 when all have the same, 1/n when one has all. */
  readonly fairness: number;
  readonly failed: string[];
  readonly drops: number;
  readonly marks: number;
  readonly counters: Pick<Counters, 'sent_pkts' | 'retransmitted_pkts' | 'timeouts' | 'rcvd_seq_err'>;
}

/** How often a program looks at its completions. */
const LOOK_US = 5;

export function congest(given: Partial<CongestionOptions> = {}): CongestionResult {
  const o = { ...INCAST, ...given };
  const fabric = new Fabric({ seed: o.seed, latencyUs: 2 });
  const port = { bandwidth: o.bandwidth, queueBytes: o.queueBytes, ecnBytes: o.ecnBytes, window: o.window };
  const hub = fabric.node(port);
  const end = o.warmupUs + o.us;
  const opcode = o.pattern === 'write' ? WrOpcode.RDMA_WRITE : WrOpcode.RDMA_READ;
  const nodes = Array.from({ length: o.hosts }, () => fabric.node(port));
  const flows = nodes.map((node) => {
    const [from, to] = o.pattern === 'read' ? [hub, node] : [node, hub];
    const [qp, peer] = [from.createQp(QpType.RC), to.createQp(QpType.RC)];
    const depth = { maxRdAtomic: 16, maxDestRdAtomic: 16 };
    connect(from, qp, to, peer, { pathMtu: mtuEnum(o.mtu), timeout: o.timeout, retryCnt: 7, ...depth });
    const [here, there] = [from.regMr(o.size), to.regMr(o.size)];
    const at = { remoteAddr: there.iova, rkey: there.rkey, sge: [sge(here, 0, o.size)] };
    return { from, qp, post: () => from.send(qp, { opcode, ...at }), bytes: 0, failed: '' };
  });
  for (const flow of flows) {
    for (let i = 0; i < o.depth; i++) flow.post();
    const look = (): void => {
      for (const wc of flow.from.poll(flow.qp.sendCq)) {
        if (wc.status !== WcStatus.SUCCESS) flow.failed ||= `status ${wc.status} after ${fabric.sim.now.toFixed()} µs`;
        else if (fabric.sim.now >= o.warmupUs) flow.bytes += o.size;
        if (flow.failed === '' && fabric.sim.now < end) flow.post();
      }
      if (fabric.sim.now < end) fabric.sim.at(LOOK_US, look);
    };
    fabric.sim.at(LOOK_US, look);
  }
  fabric.run(end);
  const total = flows.reduce((sum, s) => sum + s.bytes, 0);
  const squares = flows.reduce((sum, s) => sum + s.bytes * s.bytes, 0);
  const count = (name: keyof CongestionResult['counters']): number =>
    [hub, ...nodes].reduce((sum, n) => sum + n.rxe.engine.counters[name], 0);
  const result = {
    bytes: flows.map((s) => s.bytes),
    goodput: total / (o.us * o.bandwidth),
    fairness: total === 0 ? 0 : total ** 2 / (o.hosts * squares),
    failed: flows.map((s) => s.failed).filter((f) => f !== ''),
    drops: fabric.sim.counters.queueDrops,
    marks: fabric.sim.counters.marked,
    counters: {
      sent_pkts: count('sent_pkts'),
      retransmitted_pkts: count('retransmitted_pkts'),
      timeouts: count('timeouts'),
      rcvd_seq_err: count('rcvd_seq_err'),
    },
  };
  return result;
}
