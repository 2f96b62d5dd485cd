// An idle queue pair takes little memory: what requests need is made with the first of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WcStatus, WrOpcode } from '../../src/core/constants.ts';
import type { SoftQp } from '../../src/transport/qp.ts';
import { connect, Fabric, sge } from './fabric.ts';

/** Bytes of its send queue, of its receive queue, of its READs, and of the request it is receiving into. */
const sizes = (qp: SoftQp): number[] => [
  qp.sq.bytes.length + qp.slots.length,
  qp.rq!.bytes.length,
  qp.reads.length,
  qp.recv.sge.length,
];

test('the memory of queues is made with the first request, that of READs with the first READ', () => {
  const f = new Fabric();
  const a = f.node();
  const b = f.node();
  const qa = a.createQp();
  const qb = b.createQp();
  connect(a, qa, b, qb);
  const from = a.regMr(64);
  const to = b.regMr(64);
  f.run();
  assert.deepEqual([sizes(qa), sizes(qb)], [new Array(4).fill(0), new Array(4).fill(0)]);

  b.recv(qb, { sge: [sge(to, 0, 64)] });
  a.send(qa, { opcode: WrOpcode.SEND, sge: [sge(from, 0, 64)] });
  f.run();
  assert.deepEqual(
    [...a.poll(qa.sendCq), ...b.poll(qb.recvCq)].map((wc) => wc.status),
    [WcStatus.SUCCESS, WcStatus.SUCCESS],
  );
  assert.deepEqual(
    sizes(qa).map((n) => n > 0),
    [true, false, false, false],
  );
  assert.deepEqual(
    sizes(qb).map((n) => n > 0),
    [false, true, false, true],
  );

  a.send(qa, { opcode: WrOpcode.RDMA_READ, sge: [sge(from, 0, 64)], remoteAddr: to.iova, rkey: to.rkey });
  f.run();
  assert.equal(a.poll(qa.sendCq)[0].status, WcStatus.SUCCESS);
  assert.ok(qa.reads.length > 0);
  f.close();
});

test('what was posted before an error is flushed where nothing was looked at yet', () => {
  const f = new Fabric();
  const a = f.node();
  const b = f.node();
  const qa = a.createQp();
  connect(a, qa, b, b.createQp());
  const mr = a.regMr(64);
  a.rxe.engine.enterError(qa);
  a.send(qa, { opcode: WrOpcode.SEND, wrId: 5, sge: [sge(mr, 0, 64)] });
  f.run();
  assert.deepEqual(
    a.poll(qa.sendCq).map((wc) => [wc.wrId, wc.status]),
    [[5, WcStatus.WR_FLUSH_ERR]],
  );
  f.close();
});
