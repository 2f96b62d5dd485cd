// Devices with several addresses, and with IPv6 ones.
import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { suite, test } from 'node:test';
import { openDevice } from '../../src/api/index.ts';
import { uniqueAddresses } from '../helpers/address.ts';
import { connect, makeEnd, nextOk } from './fixture.ts';

const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some((a) => a.address === '::1'));

for (const link of ['udp', 'dgram'] as const) {
  suite(link, () => {
    test('a GID for each address; each is reached', async () => {
      const own = uniqueAddresses(3);
      const [peer] = uniqueAddresses(1);
      await using a = await openDevice({ address: own, link });
      await using b = await openDevice({ address: peer, link });
      assert.deepEqual(
        a.gids.map(({ index, gid }) => [index, gid]),
        own.map((address, i) => [i, `::ffff:${address}`]),
      );
      for (const sgidIndex of [0, 1, 2]) {
        const [x, y] = [makeEnd(a), makeEnd(b)];
        assert.equal(x.qp.endpoint(sgidIndex).gid, `::ffff:${own[sgidIndex]}`);
        y.qp.connect(x.qp.endpoint(sgidIndex));
        // Of several addresses of one family it takes the one that it has told the peer.
        x.qp.connect(y.qp.endpoint());
        y.qp.postRecv({ sge: y.mr.sge() });
        x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(sgidIndex) });
        await nextOk(y.recvCq);
        await nextOk(x.sendCq);
        assert.equal(y.mr.buffer[0], sgidIndex);
        assert.equal(x.qp.query().av?.sgidIndex, sgidIndex);
      }
      // To itself, from one address to another.
      const [x, y] = [makeEnd(a), makeEnd(a)];
      x.qp.connect(y.qp.endpoint(2), { sgidIndex: 1 });
      y.qp.connect(x.qp.endpoint(1), { sgidIndex: 2 });
      x.qp.postSend({ opcode: 'RDMA_WRITE', inline: Buffer.of(9), remoteAddr: y.mr.addr, rkey: y.mr.rkey });
      await nextOk(x.sendCq);
      assert.equal(y.mr.buffer[0], 9);
    });
  });
}

// One test for both links, because ::1 can be had once, and other files of the test run do not use its port 4791.
test('IPv6: ::1 alone, and beside an IPv4 address', { skip: hasIPv6 ? false : 'this host has no ::1' }, async () => {
  const [v4, peer] = uniqueAddresses(2);
  for (const link of ['udp', 'dgram'] as const) {
    for (const address of ['::1', [v4, '::1'], ['::1', v4]]) {
      await using a = await openDevice({ address, link });
      await using b = await openDevice({ address: peer, link });
      const index = a.gids.findIndex(({ gid }) => gid === '::1');
      const [x, y] = [makeEnd(a), makeEnd(a)];
      x.qp.connect(y.qp.endpoint(index));
      y.qp.connect(x.qp.endpoint(index));
      y.qp.postRecv({ sge: y.mr.sge() });
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(6) });
      await nextOk(y.recvCq);
      await nextOk(x.sendCq);

      const [u, v] = [makeEnd(a, { type: 'UD' }), makeEnd(a, { type: 'UD' })];
      for (const { qp } of [u, v]) qp.activate({ qkey: 1 });
      v.qp.postRecv({ sge: v.mr.sge() });
      const ah = u.pd.createAh({ gid: '::1' });
      u.qp.postSend({ opcode: 'SEND', inline: Buffer.of(6), ah, remoteQpn: v.qp.qpn, remoteQkey: 1 });
      const wc = await nextOk(v.recvCq);
      assert.equal(wc.byteLen, 41);
      // The GRH is the IPv6 header: version 6, next header UDP, addresses.
      assert.deepEqual([v.mr.buffer[0] >> 4, v.mr.buffer[6]], [6, 17]);
      assert.ok(v.mr.buffer.subarray(8, 40).equals(Buffer.from(`${'00'.repeat(15)}01`.repeat(2), 'hex')));

      if (address === '::1') continue;
      // The address of the peer's family is chosen by itself, at both ends.
      const [p, q] = [makeEnd(a), makeEnd(b)];
      p.qp.connect(q.qp.endpoint());
      q.qp.connect(p.qp.endpoint(1 - index));
      assert.equal(p.qp.query().av?.sgidIndex, 1 - index);
      p.qp.postSend({ opcode: 'RDMA_WRITE', inline: Buffer.of(4), remoteAddr: q.mr.addr, rkey: q.mr.rkey });
      await nextOk(p.sendCq);
    }
  }
});

test('the default address is one of this host, or 127.0.0.1', async (t) => {
  try {
    await using device = await openDevice();
    assert.match(device.gids[0].gid, /^(::ffff:\d+\.\d+\.\d+\.\d+|[0-9a-f:]+)$/);
    const [x, y] = [makeEnd(device), makeEnd(device)];
    connect(x, y);
    x.qp.postSend({ opcode: 'RDMA_WRITE', inline: Buffer.of(4), remoteAddr: y.mr.addr, rkey: y.mr.rkey });
    await nextOk(x.sendCq);
  } catch (error) {
    // Whoever runs the tests may have it in use.
    if ((error as { code?: string }).code !== 'EADDRINUSE') throw error;
    t.skip('the default address is in use');
  }
});

test('what a device says of itself', async () => {
  const [address] = uniqueAddresses(1);
  await using device = await openDevice({ address, name: 'rxe_test' });
  assert.deepEqual([device.name, device.driver, device.mtu, device.portState], ['rxe_test', 'rxe', 4096, 'ACTIVE']);
  assert.deepEqual(device.missingVerbs, []);
  assert.equal(device.queryPort().netdev, 'lo');
  const { maxQp, maxSge, maxCqe } = device.query();
  assert.ok(maxQp > 1000 && maxSge >= 16 && maxCqe >= 32767);
  const { sent_pkts, link } = device.counters;
  assert.deepEqual([sent_pkts, link.txPackets], [0, 0]);
});
