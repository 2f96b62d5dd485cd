// Failures made on purpose: work requests, verbs and events, on a device that is in order.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type OpenOptions, openDevice } from '../../src/api/index.ts';
import { uniqueAddress } from '../helpers/address.ts';
import { connect, eventOf, makeEnd, nextOk, openEnds, statuses } from './fixture.ts';

suite('failures made on purpose', () => {
  test('a work request ends with the status, those before it complete, those behind it are flushed', async (t) => {
    const [a, b] = await openEnds(t, 'udp', { fail: ['wc:RNR_RETRY_EXC_ERR@op=SEND,after=2'] });
    const [x, y] = [makeEnd(a), makeEnd(b)];
    connect(x, y);
    for (let i = 0; i < 4; i++) y.qp.postRecv({ sge: y.mr.sge(0, 8) });
    x.qp.postSend(Array.from({ length: 4 }, () => ({ opcode: 'SEND', sge: x.mr.sge(0, 8) }) as const));
    assert.deepEqual(await statuses(x.sendCq, 4), ['SUCCESS', 'SUCCESS', 'RNR_RETRY_EXC_ERR', 'WR_FLUSH_ERR']);
    assert.equal(x.qp.state, 'ERR');
    await nextOk(y.recvCq);
    await nextOk(y.recvCq);
  });

  test('a verb fails with the errno, and then no more', async (t) => {
    const device = await openDevice({ address: uniqueAddress(), fail: ['verb:reg_user_mr=ENOMEM@after=1'] });
    t.after(() => device.close());
    const pd = device.allocPd();
    pd.regMr(Buffer.alloc(8));
    assert.throws(() => pd.regMr(Buffer.alloc(8)), { code: 'ENOMEM', message: /made to fail/ });
    pd.regMr(Buffer.alloc(8));
  });

  test('events come, at a time or with traffic', async (t) => {
    const options: OpenOptions = { fail: ['event:PORT_ERR@in=0.05', 'event:QP_ACCESS_ERR@after=1'] };
    const [a, b] = await openEnds(t, 'udp', options);
    await eventOf(a, 'PORT_ERR');
    const [x, y] = [makeEnd(a), makeEnd(b)];
    connect(x, y);
    const event = eventOf(a, 'QP_ACCESS_ERR');
    for (let i = 0; i < 2; i++) y.qp.postRecv({ sge: y.mr.sge(0, 8) });
    x.qp.postSend(Array.from({ length: 2 }, () => ({ opcode: 'SEND', sge: x.mr.sge(0, 8) }) as const));
    assert.equal((await event).qpn, x.qp.qpn);
    await nextOk(x.sendCq);
  });

  test('a rule that means nothing is refused when the device is opened', async () => {
    await assert.rejects(openDevice({ fail: ['wc:NONSENSE'] }), {
      code: 'EINVAL',
      message: /there are LOC_LEN_ERR|SUCCESS/,
    });
  });
});
