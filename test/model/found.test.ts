// What the model has found in the transport, each as its shortest scenario; all repaired.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WcStatus, WrOpcode } from '../../src/core/constants.ts';
import { connect, Fabric, sge } from '../transport/fabric.ts';
import type { Act, Operation, Scenario } from './scenario.ts';
import { play } from './world.ts';

const NETWORK: Scenario = {
  seed: 0,
  pathMtu: 1,
  loss: 0,
  duplicate: 0,
  reorder: 0,
  corrupt: 0,
  jitterUs: 0,
  window: 8192,
  qps: 1,
  sharedCq: false,
  srq: [false, false],
  maxRdAtomic: 1,
  rnrRetry: 7,
  ackTimer: true,
  signalAll: false,
  credits: false,
  careful: false,
  acts: [],
};
const SIGNALED = 2;
const FENCE = 1;
const post = (side: number, op: Operation, size = 0, flags = SIGNALED): Act => {
  return { act: 'post', op, side, qp: 0, size, at: 0, flags, window: false, pieces: 1, fault: 'none' };
};
const recv = (side: number): Act => ({ act: 'recv', side, qp: 0, room: 10_000, allowed: true });
const wait = (us: number): Act => ({ act: 'wait', us });

const FOUND: [what: string, scenario: Partial<Scenario>][] = [
  [
    'LOCAL_INV behind a fence completes unexecuted when the ATOMIC before it is answered',
    { acts: [post(0, 'add'), post(0, 'invalidate', 0, SIGNALED | FENCE), wait(3000)] },
  ],
  [
    'BIND_MW behind a fence completes unexecuted, and a packet goes out for it',
    { acts: [post(0, 'read', 100), post(0, 'bind', 0, SIGNALED | FENCE), wait(3000)] },
  ],
  [
    'a duplicated RNR NAK counts twice against rnr_retry',
    { seed: 3, duplicate: 0.6, rnrRetry: 3, acts: [post(1, 'send', 257), post(1, 'send')] },
  ],
  [
    'a duplicated READ fills the place of the next one, which is refused (REM_INV_REQ_ERR)',
    {
      seed: 883681386,
      duplicate: 0.16,
      reorder: 0.15,
      jitterUs: 3,
      window: 65536,
      careful: true,
      acts: [
        ...[post(1, 'send', 0, 0), recv(0), post(0, 'send', 0, 0), post(1, 'write', 5633, 0), post(1, 'read', 0, 0)],
        ...[post(1, 'add', 0, 0), wait(3), wait(20), wait(3), wait(20), post(0, 'send', 0, 0), post(1, 'send', 0, 0)],
      ],
    },
  ],
];

describe('found by the model', () => {
  for (const [what, scenario] of FOUND) {
    it(what, () => {
      play({ ...NETWORK, ...scenario });
    });
  }

  it('a duplicated NAK of a gap counts twice against retry_cnt', () => {
    const f = new Fabric();
    const [a, b] = [f.node(), f.node()];
    const [qa, qb] = [a.createQp(), b.createQp()];
    connect(a, qa, b, qb, { retryCnt: 1 });
    f.sim.setPath(b.link, a.link, { duplicate: 1 });
    for (let i = 0; i < 2; i++) b.recv(qb, {});
    // The first of two messages is lost, once: one retry is enough.
    f.sim.setPath(a.link, b.link, { loss: 1 });
    a.send(qa, { opcode: WrOpcode.SEND });
    f.sim.setPath(a.link, b.link, { loss: 0 });
    f.run(1);
    a.send(qa, { opcode: WrOpcode.SEND });
    f.run();
    assert.deepEqual(
      a.poll(qa.sendCq).map((wc) => wc.status),
      [WcStatus.SUCCESS, WcStatus.SUCCESS],
    );
    f.close();
  });

  // Of 142 KB, what Linux' default receive buffer is sure to hold, each QP has less than the 16 packets after which an
  // acknowledgement is asked for.
  it('QPs that share the window of a peer do not wait for their ACK timers', () => {
    const SIZE = 1 << 18;
    const f = new Fabric();
    const [a, b] = [f.node({ window: 142_000 }), f.node({ window: 142_000 })];
    const [from, to] = [a.regMr(SIZE), b.regMr(SIZE)];
    const qps = Array.from({ length: 64 }, () => {
      const [qa, qb] = [a.createQp(), b.createQp()];
      connect(a, qa, b, qb, { timeout: 14, pathMtu: 5 });
      return qa;
    });
    const request = { opcode: WrOpcode.RDMA_WRITE, sge: [sge(from, 0, SIZE)], remoteAddr: to.iova, rkey: to.rkey };
    for (const qp of qps) a.send(qp, request);
    f.run(1_000_000);
    assert.equal(qps.flatMap((qp) => a.poll(qp.sendCq)).length, qps.length, 'all done in a second');
    assert.equal(a.rxe.engine.counters.timeouts, 0, 'nothing was lost');
    f.close();
  });
});
