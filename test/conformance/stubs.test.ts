// Devices that are not what they claim: the suite must find each, by use.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type DriverUnderTest,
  formatText,
  type Report,
  runConformance,
  simulatedPair,
} from '../../src/conformance/index.ts';
import type { DriverOps } from '../../src/core/driver.ts';
import { VerbsError } from '../../src/core/errors.ts';
import { OP_NAMES, type OpName } from '../../src/core/mandatory.ts';
import { Rxe } from '../../src/drivers/rxe/driver.ts';

/** rxe with other ops. */
function rxeWith(change: (ops: DriverOps) => Partial<DriverOps>): DriverUnderTest {
  return {
    open(link, clock, random) {
      const rxe = new Rxe({ link, clock, random });
      Object.assign(rxe.device.ops, change({ ...rxe.device.ops }));
      return rxe;
    },
  };
}

const run = (driver: DriverUnderTest, only?: string): Promise<Report> =>
  runConformance({ open: () => simulatedPair(driver), only });

const stub = (op: OpName) => (): never => {
  throw new VerbsError(op, 'EOPNOTSUPP', 'not supported');
};

describe('stubs', () => {
  test('what usNIC carried to pass the table of old: present in every list, found by use', async () => {
    // The functions that drivers/infiniband/hw/usnic/usnic_ib_verbs.c had for the table's sake until 2019.
    const ops: OpName[] = ['postSend', 'postRecv', 'pollCq', 'reqNotifyCq', 'createAh', 'destroyAh'];
    const report = await run(rxeWith(() => Object.fromEntries(ops.map((op) => [op, stub(op)]))));
    assert.equal(report.passed, false);
    assert.deepEqual(report.missing, [], 'by presence nothing is missing');
    for (const verb of ['post_send', 'post_recv', 'poll_cq', 'req_notify_cq', 'create_ah']) {
      assert.ok(report.stubs.includes(verb), `${verb} of ${report.stubs}`);
      assert.equal(report.verbs.find((v) => v.name === verb)!.status, 'failed', verb);
    }
    // What is really there passes all the same.
    for (const verb of ['alloc_pd', 'dealloc_pd', 'query_device', 'query_port'])
      assert.equal(report.verbs.find((v) => v.name === verb)!.status, 'passed', verb);
    assert.match(formatText(report), /verbs that are stubs: .*post_send/);
  });

  test('the same, answering EINVAL as they really did: no list of stubs, and every one of the verbs failed', async () => {
    const ops: OpName[] = ['postSend', 'postRecv', 'pollCq', 'reqNotifyCq', 'createAh', 'destroyAh'];
    const refuse = (op: OpName) => (): never => {
      throw new VerbsError(op, 'EINVAL', 'no');
    };
    const report = await run(rxeWith(() => Object.fromEntries(ops.map((op) => [op, refuse(op)]))));
    for (const verb of ['post_send', 'post_recv', 'poll_cq', 'req_notify_cq', 'create_ah', 'destroy_ah'])
      assert.equal(report.verbs.find((v) => v.name === verb)!.status, 'failed', verb);
  });

  test('a driver of nothing but stubs fails every check that uses one, and no verb passes but the core’s', async () => {
    const names = OP_NAMES.filter((op) => op !== 'queryDevice' && op !== 'queryPort');
    const report = await run(rxeWith(() => Object.fromEntries(names.map((op) => [op, stub(op)]))));
    assert.ok(report.stubs.includes('alloc_pd'));
    const passed = report.verbs.filter((v) => v.status === 'passed').map((v) => v.name);
    assert.deepEqual(passed, [
      'query_device',
      'query_port',
      'get_port_immutable',
      'open_device',
      'query_gid',
      'query_pkey',
    ]);
  });

  test('stubs that answer nothing at all are found too, though they complain of nothing', async () => {
    const silent: [OpName, unknown][] = [
      ['pollCq', () => 0],
      ['postSend', () => {}],
      ['postRecv', () => {}],
      ['reqNotifyCq', () => false],
      ['modifyQp', () => {}],
      ['resizeCq', () => {}],
      ['attachMcast', () => {}],
    ];
    for (const [op, fake] of silent) {
      const report = await run(rxeWith(() => ({ [op]: fake }) as Partial<DriverOps>));
      assert.equal(report.passed, false, op);
    }
  });
});

describe('devices that do the wrong thing', () => {
  const wrong: [name: string, change: (ops: DriverOps) => Partial<DriverOps>][] = [
    [
      'a poll that gives more than it was asked for',
      (ops) => ({ pollCq: (cq, _max, into) => ops.pollCq(cq, 64, into) }),
    ],
    [
      'a query that tells the state of another queue pair',
      (ops) => ({ queryQp: (qp) => ({ ...ops.queryQp(qp), destQpn: 1 }) }),
    ],
    [
      'a completion queue smaller than it was asked for',
      (ops) => ({ createCq: (c, n, ch) => ops.createCq(c, Math.max(1, n >> 2), ch) }),
    ],
    [
      'queue pairs smaller than they were asked for',
      (ops) => ({ createQp: (i) => ops.createQp({ ...i, cap: { ...i.cap, maxRecvWr: 1 } }) }),
    ],
    [
      'all sends signaled',
      (ops) => ({ postSend: (qp, wr, more) => ops.postSend(qp, Object.assign(wr, { flags: wr.flags | 2 }), more) }),
    ],
    [
      'no fence',
      (ops) => ({ postSend: (qp, wr, more) => ops.postSend(qp, Object.assign(wr, { flags: wr.flags & ~1 }), more) }),
    ],
    ['solicited is any', (ops) => ({ reqNotifyCq: (cq) => ops.reqNotifyCq(cq, false) })],
    [
      'the limit of an SRQ is not taken',
      (ops) => ({ modifySrq: (srq, attr, mask) => ops.modifySrq(srq, attr, mask & 1) }),
    ],
    [
      'receive requests are taken in RESET',
      (ops) => ({ postRecv: (qp, wr) => (qp.attr.state === 0 ? undefined : ops.postRecv(qp, wr)) }),
    ],
    [
      'RNR retries are not counted',
      (ops) => ({ modifyQp: (qp, attr, mask) => ops.modifyQp(qp, { ...attr, rnrRetry: 7 }, mask) }),
    ],
  ];
  for (const [name, change] of wrong) {
    test(name, async () => {
      const report = await run(rxeWith(change));
      assert.equal(report.passed, false);
      assert.deepEqual(report.stubs, []);
    });
  }
});
