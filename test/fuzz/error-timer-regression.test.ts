// Found by fuzzing.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { QpState, WrOpcode } from '../../src/core/constants.ts';
import { connect, Fabric, sge } from '../transport/fabric.ts';

it('a NAK that makes a request the oldest which has failed here does not arm the timers of the QP, now in ERR', () => {
  const f = new Fabric();
  const [a, b] = [f.node(), f.node()];
  const [qa, qb] = [a.createQp(), b.createQp()];
  // 491 ms until the peer is ready.
  connect(a, qa, b, qb, { minRnrTimer: 31 });
  const [from, to] = [a.regMr(4096), b.regMr(4096)];
  b.recv(qb, { wrId: 1, sge: [sge(to, 0, 4096)] });
  a.send(qa, { wrId: 1, opcode: WrOpcode.SEND, sge: [sge(from, 0, 8)] });
  // Its first packet leaves; the second cannot be made. The peer has no receive request for it.
  a.send(qa, {
    wrId: 2,
    opcode: WrOpcode.SEND,
    sge: [sge(from, 0, 1024), { addr: from.iova, length: 1024, lkey: 1 }],
  });
  f.run(1000);
  assert.equal(qa.attr.state, QpState.ERR);
  assert.equal(qa.heapIndex, -1, 'no timer');
  assert.equal(qa.rnrUntil, 0);
  f.close();
});
