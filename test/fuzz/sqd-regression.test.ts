// Found by fuzzing.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { QpAttrMask, QpState, WcStatus, WrOpcode } from '../../src/core/constants.ts';
import { addressVector, connect, Fabric, sge } from '../transport/fabric.ts';

const A = QpAttrMask;

it('SQD: maxRdAtomic changed while READs are outstanding leaves them and the receive window whole', () => {
  const f = new Fabric();
  const [a, b] = [f.node(), f.node()];
  const [qa, qb] = [a.createQp(), b.createQp()];
  connect(a, qa, b, qb);
  const [to, from] = [a.regMr(4096), b.regMr(4096)];
  for (let i = 0; i < 3; i++)
    a.send(qa, {
      wrId: i,
      opcode: WrOpcode.RDMA_READ,
      sge: [sge(to, 0, 1024)],
      remoteAddr: from.iova,
      rkey: from.rkey,
    });
  a.modify(qa, { state: QpState.SQD }, A.STATE);
  a.modify(qa, { state: QpState.SQD, maxRdAtomic: 1 }, A.STATE | A.MAX_QP_RD_ATOMIC);
  a.modify(qa, { state: QpState.RTS }, A.STATE);
  f.run();
  assert.equal(
    a.rxe.port.receiveWindow.used,
    0,
    'what the device has outstanding in READs; NaN stops all READs of the device',
  );
  assert.deepEqual(
    a.poll(qa.sendCq).map((wc) => wc.status),
    [WcStatus.SUCCESS, WcStatus.SUCCESS, WcStatus.SUCCESS],
  );
  f.close();
});

it('SQD: the way to the peer changed while requests are outstanding gives the old way its window back', () => {
  const f = new Fabric();
  const [a, b, c] = [f.node(), f.node(), f.node()];
  const [qa, qb] = [a.createQp(), b.createQp()];
  connect(a, qa, b, qb);
  const from = a.regMr(4096);
  a.send(qa, { wrId: 1, opcode: WrOpcode.SEND, sge: [sge(from, 0, 1024)] });
  const old = a.rxe.port.pathTo(addressVector(b)!);
  assert.ok(old.window.used > 0);
  a.modify(qa, { state: QpState.SQD }, A.STATE);
  a.modify(qa, { state: QpState.SQD, av: addressVector(c) }, A.STATE | A.AV);
  a.modify(qa, { state: QpState.ERR }, A.STATE);
  f.run();
  assert.equal(old.window.used, 0, 'all QPs that go to this peer share this window, for as long as the device is open');
  f.close();
});
