// Datagram queue pairs found by address and port.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { announceUd, resolveUd } from '../../src/api/index.ts';
import { openEnds, WIRINGS } from './fixture.ts';

const QKEY = 0x01234567;

for (const wiring of WIRINGS) {
  it(`${wiring}: a service is found, sent to, and gone when it is closed`, async (t) => {
    const [a, b] = await openEnds(t, wiring);
    const address = b.gids[0].gid.replace('::ffff:', '');
    const server = b.allocPd();
    const serverCq = b.createCq();
    const inbox = server.regMr(Buffer.alloc(200));
    const serving = server.createQp({ type: 'UD', sendCq: serverCq });
    assert.throws(() => announceUd(serving, { device: b }), { code: 'EINVAL' });
    serving.activate({ qkey: QKEY });
    serving.postRecv({ sge: inbox.sge() });
    const service = announceUd(serving, { device: b, privateData: Buffer.from('at your service') });
    const pd = a.allocPd();
    const cq = a.createCq();
    const qp = pd.createQp({ type: 'UD', sendCq: cq });
    qp.activate({ qkey: QKEY });
    const { privateData, ...peer } = await resolveUd(address, { device: a, port: service.port, pd });
    assert.equal(privateData.toString('utf8', 0, 15), 'at your service');
    assert.deepEqual([peer.remoteQpn, peer.remoteQkey], [serving.qpn, QKEY]);
    qp.postSend({ opcode: 'SEND', inline: Buffer.from('hello'), ...peer });
    assert.equal((await cq.next()).ok, true);
    const wc = await serverCq.next();
    assert.deepEqual([wc.byteLen, inbox.buffer.toString('utf8', 40, 45)], [45, 'hello']);
    assert.throws(() => announceUd(serving, { device: b, port: service.port }), { code: 'EADDRINUSE' });
    service.close();
    await assert.rejects(resolveUd(address, { device: a, port: service.port, pd }), { code: 'ECONNREFUSED' });
    const quick = { responseTimeout: 12, maxCmRetries: 1 };
    await assert.rejects(resolveUd('127.0.0.254', { device: a, port: 9, pd, ...quick }), { code: 'ETIMEDOUT' });
  });
}
