// Unreliable connections and datagrams, shared receive queues, multicast.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Device, QueuePair } from '../../src/api/index.ts';
import {
  ALL_ACCESS,
  assertQuiet,
  connect,
  connectedEnds,
  type End,
  eventOf,
  makeEnd,
  next,
  nextOk,
  nextStatus,
  openEnds,
  pattern,
  statuses,
  WIRINGS,
  type Wiring,
} from './fixture.ts';

const GRH = 40;
const QKEY = 0x1234;

async function udEnds(t: Parameters<typeof openEnds>[0], wiring: Wiring): Promise<[End, End]> {
  const [a, b] = await openEnds(t, wiring);
  const ends: [End, End] = [makeEnd(a, { type: 'UD' }), makeEnd(b, { type: 'UD' })];
  for (const { qp } of ends) qp.activate({ qkey: QKEY });
  return ends;
}

const to = (from: End, peer: QueuePair) => ({
  ah: from.pd.createAh({ gid: peer.endpoint().gid }),
  remoteQpn: peer.qpn,
  remoteQkey: QKEY,
});

for (const wiring of WIRINGS) {
  suite(`UC, ${wiring}`, () => {
    test('SEND and WRITE, with and without immediate data', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, { type: 'UC' });
      for (const size of [0, 1, 4095, 4096, 4097, 30_000]) {
        const bytes = pattern(size);
        bytes.copy(x.mr.buffer);
        y.mr.buffer.fill(0);
        const sge = x.mr.sge(0, size);
        y.qp.postRecv([{ wrId: 1, sge: y.mr.sge() }, { wrId: 2, sge: y.mr.sge() }, { wrId: 3 }]);
        x.qp.postSend({ opcode: 'SEND', sge });
        const { wrId, byteLen } = await nextOk(y.recvCq);
        assert.deepEqual([wrId, byteLen], [1, size]);
        assert.ok(y.mr.buffer.subarray(0, size).equals(bytes));
        x.qp.postSend({ opcode: 'SEND_WITH_IMM', sge, imm: 7 });
        assert.equal((await nextOk(y.recvCq)).imm, 7);
        const remote = { remoteAddr: y.mr.addr + 32_768, rkey: y.mr.rkey };
        x.qp.postSend({ opcode: 'RDMA_WRITE', sge, ...remote });
        x.qp.postSend({ opcode: 'RDMA_WRITE_WITH_IMM', sge, ...remote, imm: 8 });
        const wc = await nextOk(y.recvCq);
        assert.deepEqual([wc.wrId, wc.opcode, wc.byteLen, wc.imm], [3, 'RECV_RDMA_WITH_IMM', size, 8]);
        assert.ok(y.mr.buffer.subarray(32_768, 32_768 + size).equals(bytes));
        assert.deepEqual(await statuses(x.sendCq, 4), Array(4).fill('SUCCESS'));
      }
    });

    test('nobody is told of a message without a receive request, or with a wrong rkey', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, { type: 'UC' });
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(1) });
      x.qp.postSend({ opcode: 'RDMA_WRITE', inline: Buffer.of(1), remoteAddr: y.mr.addr, rkey: y.mr.rkey ^ 0x100 });
      assert.deepEqual(await statuses(x.sendCq, 2), ['SUCCESS', 'SUCCESS']);
      await assertQuiet(y.recvCq);
      assert.equal(y.mr.buffer[0], 0);
      y.qp.postRecv({ wrId: 9, sge: y.mr.sge(0, 10) });
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(2) });
      assert.equal((await nextOk(y.recvCq)).wrId, 9);
      assert.equal(y.mr.buffer[0], 2);
    });

    test('what UC does not do ends in LOC_QP_OP_ERR, and the QP in SQE, from where it recovers', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, { type: 'UC' });
      x.qp.postSend({ opcode: 'RDMA_READ', sge: x.mr.sge(0, 1), remoteAddr: y.mr.addr, rkey: y.mr.rkey });
      assert.equal(await nextStatus(x.sendCq), 'LOC_QP_OP_ERR');
      assert.equal(x.qp.state, 'SQE');
      x.qp.modify({ state: 3, curState: 6 - 1 }, 3);
      assert.equal(x.qp.state, 'RTS');
      y.qp.postRecv({ sge: y.mr.sge() });
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(5) });
      assert.equal((await nextOk(y.recvCq)).byteLen, 1);
    });
  });

  suite(`UD, ${wiring}`, () => {
    test('datagrams carry the sender’s QPN and a GRH with its address', async (t) => {
      const [x, y] = await udEnds(t, wiring);
      const peer = to(x, y.qp);
      for (const size of [0, 1, 1000, 4096]) {
        const bytes = pattern(size);
        bytes.copy(x.mr.buffer);
        y.qp.postRecv([{ sge: y.mr.sge(0, GRH + size) }, { sge: y.mr.sge(10_000) }]);
        x.qp.postSend({ opcode: 'SEND', sge: x.mr.sge(0, size), ...peer });
        const wc = await nextOk(y.recvCq);
        assert.deepEqual([wc.byteLen, wc.srcQp, wc.hasGrh, wc.imm], [GRH + size, x.qp.qpn, true, null]);
        assert.ok(y.mr.buffer.subarray(GRH, GRH + size).equals(bytes));
        // The IPv4 header is at the end of the 40 bytes (IBTA A17.4.5.2): version, protocol UDP, addresses.
        const ip = y.mr.buffer.subarray(20, 40);
        assert.deepEqual([ip[0], ip[9]], [0x45, 17]);
        assert.equal(`::ffff:${ip.subarray(12, 16).join('.')}`, x.qp.endpoint().gid);
        assert.equal(`::ffff:${ip.subarray(16, 20).join('.')}`, y.qp.endpoint().gid);
        x.qp.postSend({ opcode: 'SEND_WITH_IMM', sge: x.mr.sge(0, size), ...peer, imm: 0xfeedbeef });
        assert.equal((await nextOk(y.recvCq)).imm, 0xfeedbeef);
        assert.deepEqual(await statuses(x.sendCq, 2), ['SUCCESS', 'SUCCESS']);
      }
    });

    test('a datagram to a wrong QPN, with a wrong Q_Key, or without a receive request is lost', async (t) => {
      const [x, y] = await udEnds(t, wiring);
      const peer = to(x, y.qp);
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(1), ...peer });
      await nextOk(x.sendCq);
      await assertQuiet(y.recvCq, 20);
      y.qp.postRecv({ sge: y.mr.sge() });
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(2), ...peer, remoteQkey: QKEY + 1 });
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(3), ...peer, remoteQpn: 0xfffffe });
      await assertQuiet(y.recvCq, 20);
      assert.equal(y.device.counters.bad_qkey, 1);
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(4), ...peer });
      await nextOk(y.recvCq);
      assert.equal(y.mr.buffer[GRH], 4);
      assert.equal(y.qp.state, 'RTS');
    });

    test('C10-93.1.1: a datagram longer than the MTU is not sent, and that is no error', async (t) => {
      const [x, y] = await udEnds(t, wiring);
      y.qp.postRecv({ sge: y.mr.sge() });
      const { sent_pkts } = x.device.counters;
      x.qp.postSend({ opcode: 'SEND', wrId: 1, sge: x.mr.sge(0, 4097), ...to(x, y.qp) });
      assert.equal((await nextOk(x.sendCq)).wrId, 1);
      await assertQuiet(y.recvCq, 10);
      assert.deepEqual([x.qp.state, x.device.counters.sent_pkts], ['RTS', sent_pkts]);
    });

    test('C9-205: a datagram longer than the receive buffer is dropped; the buffer waits for the next', async (t) => {
      const [x, y] = await udEnds(t, wiring);
      y.qp.postRecv({ wrId: 7, sge: y.mr.sge(0, GRH + 10) });
      const peer = to(x, y.qp);
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.alloc(11, 1), ...peer });
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.alloc(10, 2), ...peer });
      const wc = await nextOk(y.recvCq);
      assert.deepEqual([wc.wrId, wc.byteLen, y.mr.buffer[GRH]], [7, GRH + 10, 2]);
    });

    test('a datagram without an address handle is LOC_QP_OP_ERR, and the QP in SQE', async (t) => {
      const [x] = await udEnds(t, wiring);
      x.qp.postSend({ opcode: 'SEND', sge: x.mr.sge(0, 1), remoteQpn: 1, remoteQkey: QKEY });
      assert.equal(await nextStatus(x.sendCq), 'LOC_QP_OP_ERR');
      assert.equal(x.qp.state, 'SQE');
    });

    test('one end answers many by the srcQp of what it received', async (t) => {
      const [x, y] = await udEnds(t, wiring);
      const others = [x, makeEnd(x.device, { type: 'UD' }), makeEnd(x.device, { type: 'UD' })];
      for (const { qp } of others.slice(1)) qp.activate({ qkey: QKEY });
      for (const [i, end] of others.entries()) {
        y.qp.postRecv({ sge: y.mr.sge(100 * i, 100) });
        end.qp.postRecv({ sge: end.mr.sge(0, 100) });
        end.qp.postSend({ opcode: 'SEND', inline: Buffer.of(i), ...to(end, y.qp) });
      }
      const ah = y.pd.createAh({ gid: x.qp.endpoint().gid });
      for (let i = 0; i < 3; i++) {
        const { srcQp } = await nextOk(y.recvCq);
        y.qp.postSend({ opcode: 'SEND', inline: Buffer.from(String(srcQp)), ah, remoteQpn: srcQp, remoteQkey: QKEY });
      }
      for (const end of others) {
        const { byteLen } = await nextOk(end.recvCq);
        assert.equal(end.mr.buffer.toString('latin1', GRH, byteLen), String(end.qp.qpn));
      }
      ah.close();
    });

    test('a closed address handle is no destination', async (t) => {
      const [x, y] = await udEnds(t, wiring);
      const peer = to(x, y.qp);
      peer.ah.close();
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(1), ...peer });
      assert.equal(await nextStatus(x.sendCq), 'LOC_QP_OP_ERR');
    });
  });

  suite(`SRQ, ${wiring}`, () => {
    test('queue pairs of several peers share one queue, and its limit event comes once', async (t) => {
      const [a, b] = await openEnds(t, wiring);
      const pd = b.allocPd();
      const cq = b.createCq();
      const mr = pd.regMr(Buffer.alloc(4096), { access: ALL_ACCESS });
      const srq = pd.createSrq({ maxWr: 16, maxSge: 2 });
      const senders = [makeEnd(a), makeEnd(a)];
      const receivers = senders.map(({ qp }) => {
        const own = pd.createQp({ type: 'RC', sendCq: cq, srq });
        qp.connect(own.endpoint());
        own.connect(qp.endpoint());
        return own;
      });
      for (let i = 0; i < 10; i++) srq.postRecv({ wrId: i, sge: [mr.sge(100 * i, 4), mr.sge(100 * i + 50, 50)] });
      srq.arm(5);
      assert.equal(srq.query().limit, 5);
      let limitEvents = 0;
      b.on('async', ({ type }) => {
        if (type === 'SRQ_LIMIT_REACHED') limitEvents++;
      });
      for (let i = 0; i < 10; i++) {
        senders[i % 2].qp.postSend({ opcode: 'SEND', inline: Buffer.from(`${i}: message`) });
        const wc = await nextOk(cq);
        assert.deepEqual([wc.wrId, wc.byteLen, wc.qpn], [i, 10, receivers[i % 2].qpn]);
        assert.equal(mr.buffer.toString('latin1', 100 * i, 100 * i + 4), `${i}: m`);
        assert.equal(mr.buffer.toString('latin1', 100 * i + 50, 100 * i + 56), 'essage');
        // ibv_modify_srq(3): below the limit, not at it.
        assert.equal(limitEvents, i >= 5 ? 1 : 0, `after ${i + 1} of 10`);
      }
      assert.equal(srq.query().limit, 0);
      assert.throws(() => receivers[0].postRecv({}), { code: 'EINVAL' });
      for (let i = 0; i < srq.query().maxWr; i++) srq.postRecv({});
      assert.throws(() => srq.postRecv({}), { code: 'ENOMEM' });
      srq.resize(64);
      srq.postRecv({});
      assert.throws(() => srq.close(), { code: 'EBUSY' });
    });

    test('a queue pair in error leaves the shared requests to the others, and says when it has had its last', async (t) => {
      const [a, b] = await openEnds(t, wiring);
      const x = makeEnd(a);
      const pd = b.allocPd();
      const cq = b.createCq();
      const srq = pd.createSrq({ maxWr: 16 });
      const mr = pd.regMr(Buffer.alloc(64));
      const [p, q] = [pd.createQp({ type: 'RC', sendCq: cq, srq }), pd.createQp({ type: 'RC', sendCq: cq, srq })];
      srq.postRecv([{ wrId: 1, sge: mr.sge() }]);
      p.init();
      const last = eventOf(b, 'QP_LAST_WQE_REACHED');
      p.modify({ state: 6 }, 1);
      assert.equal((await last).qpn, p.qpn);
      assert.deepEqual(cq.poll(), []);
      x.qp.connect(q.endpoint());
      q.connect(x.qp.endpoint());
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(1) });
      assert.equal((await nextOk(cq)).wrId, 1);
    });

    test('UD queue pairs receive from it, too', async (t) => {
      const [x, y] = await udEnds(t, wiring);
      const srq = y.pd.createSrq({ maxWr: 4 });
      const qp = y.pd.createQp({ type: 'UD', sendCq: y.recvCq, srq });
      qp.activate({ qkey: QKEY });
      srq.postRecv({ wrId: 3, sge: y.mr.sge(0, 41) });
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(77), ...to(x, qp) });
      const wc = await nextOk(y.recvCq);
      assert.deepEqual([wc.wrId, wc.byteLen, y.mr.buffer[40]], [3, 41, 77]);
    });
  });
}

suite('UD multicast on the loopback interface', () => {
  const GROUP = '239.77.1.2';

  const listener = (device: Device): End => {
    const end = makeEnd(device, { type: 'UD' });
    end.qp.activate({ qkey: QKEY });
    end.qp.postRecv({ sge: end.mr.sge(0, 100) });
    end.qp.attachMcast(GROUP);
    return end;
  };

  for (const wiring of WIRINGS) {
    test(`members of a group hear it, once each: ${wiring}`, async (t) => {
      const [a, b] = await openEnds(t, wiring);
      const members = [listener(a), listener(a), ...(a === b ? [] : [listener(b)])];
      const stranger = makeEnd(b, { type: 'UD' });
      stranger.qp.activate({ qkey: QKEY });
      stranger.qp.postRecv({ sge: stranger.mr.sge() });
      // node:dgram joins some turns of the event loop later.
      await assertQuiet(stranger.recvCq, 30);
      const from = makeEnd(a, { type: 'UD' });
      from.qp.activate({ qkey: QKEY });
      const ah = from.pd.createAh({ gid: GROUP });
      const group = { ah, remoteQpn: 0xffffff, remoteQkey: QKEY };
      from.qp.postSend({ opcode: 'SEND', inline: Buffer.from('to all'), ...group });
      for (const { recvCq, mr } of members) {
        const wc = await nextOk(recvCq);
        assert.deepEqual([wc.byteLen, wc.srcQp], [46, from.qp.qpn]);
        assert.equal(mr.buffer.toString('latin1', 40, 46), 'to all');
        assert.equal(mr.buffer.subarray(36, 40).join('.'), GROUP);
      }
      members[0].qp.postRecv({ sge: members[0].mr.sge(0, 100) });
      await assertQuiet(members[0].recvCq);
      await assertQuiet(stranger.recvCq, 5);

      assert.throws(() => members[0].qp.close(), { code: 'EBUSY' });
      for (const { qp } of members) {
        qp.detachMcast(GROUP);
        qp.postRecv({ sge: members[0].mr.sge(0, 100) });
      }
      from.qp.postSend({ opcode: 'SEND', inline: Buffer.from('to none'), ...group });
      for (const { recvCq } of members) await assertQuiet(recvCq, 10);
      members[0].qp.close();
      assert.throws(() => members[1].qp.detachMcast(GROUP), { code: 'EINVAL' });
    });
  }
});

test('RC and UD of one device at a time', async (t) => {
  const [a, b] = await openEnds(t, 'udp');
  const [x, y] = [makeEnd(a), makeEnd(b)];
  connect(x, y);
  const [u, v] = [makeEnd(a, { type: 'UD' }), makeEnd(b, { type: 'UD' })];
  for (const { qp } of [u, v]) qp.activate({ qkey: 1 });
  const ah = u.pd.createAh({ gid: v.qp.endpoint().gid });
  for (let i = 0; i < 50; i++) {
    y.qp.postRecv({ wrId: i, sge: y.mr.sge(0, 16) });
    v.qp.postRecv({ wrId: i, sge: v.mr.sge(0, 64) });
    x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(i) });
    u.qp.postSend({ opcode: 'SEND', inline: Buffer.of(i), ah, remoteQpn: v.qp.qpn, remoteQkey: 1 });
    assert.equal((await nextOk(y.recvCq)).wrId, i);
    assert.equal((await next(v.recvCq)).wrId, i);
  }
});
