import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QpType } from '../../src/core/constants.ts';
import { Armed } from '../../src/core/cq.ts';
import {
  createCompChannel,
  createCq,
  createQp,
  createSrq,
  destroyCompChannel,
  destroyCq,
  destroyQp,
  destroySrq,
  modifySrq,
  querySrq,
  reqNotifyCq,
  resizeCq,
} from '../../src/core/verbs.ts';
import { CAP, errno } from './fake-driver.ts';
import { Fixture } from './fixture.ts';

test('CQ: sizes, channels of the same context, EBUSY both ways', (t) => {
  const f = new Fixture(t);
  for (const cqe of [0, -1, 1025, 1.5, Number.NaN])
    assert.throws(() => createCq(f.context, cqe), errno('EINVAL', /cqe.*1 to 1024/));
  const channel = createCompChannel(f.context);
  assert.throws(() => createCq(f.context, 1, createCompChannel(f.open())), errno('EINVAL', /another context/));
  const cq = createCq(f.context, 4, channel);
  assert.throws(() => destroyCompChannel(channel), errno('EBUSY'));
  resizeCq(cq, 8);
  assert.equal(cq.cqe, 8);
  assert.throws(() => resizeCq(cq, 0), errno('EINVAL'));
  const qp = createQp(f.pd, { type: QpType.RC, sendCq: cq, recvCq: f.cq, cap: CAP });
  assert.throws(() => destroyCq(cq), errno('EBUSY'));
  assert.throws(() => destroyCq(f.cq), errno('EBUSY'));
  destroyQp(qp);
  cq.eventsReported = 3;
  assert.deepEqual(destroyCq(cq), { completionEvents: 3, asyncEvents: 0 });
  destroyCompChannel(channel);
});

test('CQ: arming needs a channel', (t) => {
  const f = new Fixture(t);
  assert.throws(() => reqNotifyCq(f.cq, false), errno('EINVAL', /channel/));
  const cq = createCq(f.context, 1, createCompChannel(f.context));
  reqNotifyCq(cq, true);
  assert.equal(cq.armed, Armed.SOLICITED);
});

test('a QP with one CQ for both queues is two users of it', (t) => {
  const f = new Fixture(t);
  const qp = f.qp(QpType.RC);
  assert.deepEqual([f.cq.users, f.pd.users], [2, 1]);
  destroyQp(qp);
  assert.deepEqual([f.cq.users, f.pd.users], [0, 0]);
});

test('SRQ: sizes, limit, resize where claimed, EBUSY', (t) => {
  const f = new Fixture(t);
  for (const maxWr of [0, 65, -1, Number.NaN])
    assert.throws(() => createSrq(f.pd, { maxWr, maxSge: 1, limit: 0 }), errno('EINVAL', /maxWr/));
  assert.throws(() => createSrq(f.pd, { maxWr: 1, maxSge: 5, limit: 0 }), errno('EINVAL', /maxSge/));
  const srq = createSrq(f.pd, { maxWr: 8, maxSge: 1, limit: 5 });
  assert.equal(srq.attr.limit, 0, 'the limit is not set at creation');
  modifySrq(srq, { limit: 8 }, 2);
  assert.throws(() => modifySrq(srq, { limit: 9 }, 2), errno('EINVAL', /limit/));
  assert.throws(() => modifySrq(srq, {}, 2), errno('EINVAL', /limit is NaN/));
  for (const mask of [0, 4]) assert.throws(() => modifySrq(srq, {}, mask), errno('EINVAL', /mask/));
  modifySrq(srq, { maxWr: 16, limit: 16 }, 3);
  assert.deepEqual(querySrq(srq), { maxWr: 16, maxSge: 1, limit: 16 });
  const options = { sendCq: f.cq, recvCq: f.cq, cap: CAP, srq };
  const qp = createQp(f.pd, { ...options, type: QpType.RC });
  assert.deepEqual([qp.cap.maxRecvWr, qp.cap.maxRecvSge], [0, 0]);
  assert.throws(() => createQp(f.pd, { ...options, type: QpType.UC }), errno('EINVAL', /srq is allowed for RC and UD/));
  assert.throws(() => destroySrq(srq), errno('EBUSY'));
  destroyQp(qp);
  destroySrq(srq);
});

test('SRQ: no resize where it is not claimed', (t) => {
  const f = new Fixture(t, { attributes: { deviceCapFlags: 0 } });
  const srq = createSrq(f.pd, { maxWr: 8, maxSge: 1, limit: 0 });
  assert.throws(() => modifySrq(srq, { maxWr: 9 }, 1), errno('EOPNOTSUPP', /SRQ_RESIZE/));
});
