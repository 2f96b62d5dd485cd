// Many queue pairs, many messages, one thread.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ALL_ACCESS, connectedEnds, nextOk, openEnds, pattern, WIRINGS } from './fixture.ts';

for (const wiring of WIRINGS) {
  suite(wiring, () => {
    test('100 queue pairs of one pair of devices, on shared CQs', async (t) => {
      const COUNT = 100;
      const SIZE = 10_000;
      const [a, b] = await openEnds(t, wiring);
      const sides = [a, b].map((device) => {
        const pd = device.allocPd();
        const cq = device.createCq({ cqe: 1024 });
        const mr = pd.regMr(Buffer.alloc(COUNT * SIZE), { access: ALL_ACCESS });
        const qps = Array.from({ length: COUNT }, () =>
          pd.createQp({ type: 'RC', sendCq: cq, maxSendWr: 4, maxRecvWr: 4 }),
        );
        return { pd, cq, mr, qps };
      });
      const [x, y] = sides;
      for (let i = 0; i < COUNT; i++) {
        x.qps[i].connect(y.qps[i].endpoint());
        y.qps[i].connect(x.qps[i].endpoint());
        y.qps[i].postRecv({ wrId: i, sge: y.mr.sge(i * SIZE, SIZE) });
      }
      const bytes = pattern(COUNT * SIZE);
      bytes.copy(x.mr.buffer);
      for (let i = 0; i < COUNT; i++)
        x.qps[i].postSend({ opcode: 'SEND', wrId: 1000 + i, sge: x.mr.sge(i * SIZE, SIZE) });
      const seen = new Set<number>();
      for (let i = 0; i < COUNT; i++) {
        const wc = await nextOk(y.cq);
        assert.equal(wc.qpn, y.qps[wc.wrId].qpn);
        seen.add(wc.wrId);
      }
      assert.equal(seen.size, COUNT);
      assert.ok(y.mr.buffer.equals(bytes));
      for (let i = 0; i < COUNT; i++) assert.ok((await nextOk(x.cq)).wrId >= 1000);
      // And back, all at once, by READs.
      x.mr.buffer.fill(0);
      for (let i = 0; i < COUNT; i++) {
        const { addr, rkey } = y.mr.remote(i * SIZE);
        x.qps[i].postSend({ opcode: 'RDMA_READ', sge: x.mr.sge(i * SIZE, SIZE), remoteAddr: addr, rkey });
      }
      for (let i = 0; i < COUNT; i++) await nextOk(x.cq);
      assert.ok(x.mr.buffer.equals(bytes));
    });

    test('10,000 messages one after the other, with small queues', async (t) => {
      const small = { cqe: 4, maxSendWr: 1, maxRecvWr: 2 };
      const [x, y] = await connectedEnds(t, wiring, small);
      const post = (i: number): void => y.qp.postRecv({ wrId: i, sge: y.mr.sge(4 * (i % 1000), 4) });
      post(0);
      const word = Buffer.alloc(4);
      for (let i = 0; i < 10_000; i++) {
        word.writeUInt32LE(i);
        x.qp.postSend({ opcode: 'SEND', wrId: i, inline: word });
        const wc = await nextOk(y.recvCq);
        assert.equal(wc.wrId, i);
        assert.equal(y.mr.buffer.readUInt32LE(4 * (i % 1000)), i);
        post(i + 1);
        assert.equal((await nextOk(x.sendCq)).wrId, i);
      }
    });

    test('a stream of 32 MiB in pieces of all lengths arrives in order', async (t) => {
      const DEPTH = 16;
      const PIECE = 65_536;
      const [x, y] = await connectedEnds(t, wiring, { bytes: DEPTH * PIECE, maxSendWr: DEPTH, maxRecvWr: DEPTH });
      const lengths = Array.from({ length: 900 }, (_, i) => 1 + ((i * 7919) % PIECE));
      for (let i = 0; i < DEPTH; i++) y.qp.postRecv({ wrId: i, sge: y.mr.sge(i * PIECE, PIECE) });
      let posted = 0;
      const send = (): void => {
        const at = (posted % DEPTH) * PIECE;
        x.mr.buffer.fill(posted & 255, at, at + lengths[posted]);
        x.qp.postSend({ opcode: 'SEND', wrId: posted, sge: x.mr.sge(at, lengths[posted]) });
        posted++;
      };
      while (posted < DEPTH) send();
      const receive = async (): Promise<void> => {
        for (let i = 0; i < lengths.length; i++) {
          const { byteLen, wrId } = await nextOk(y.recvCq);
          assert.deepEqual([byteLen, wrId], [lengths[i], i % DEPTH]);
          const at = wrId * PIECE;
          assert.ok(
            y.mr.buffer.subarray(at, at + byteLen).every((b) => b === (i & 255)),
            `message ${i}`,
          );
          y.qp.postRecv({ wrId, sge: y.mr.sge(at, PIECE) });
        }
      };
      const complete = async (): Promise<void> => {
        for (let i = 0; i < lengths.length; i++) {
          assert.equal((await nextOk(x.sendCq)).wrId, i);
          if (posted < lengths.length) send();
        }
      };
      await Promise.all([receive(), complete()]);
    });
  });
}

test('ten devices in one process, each talking to each', async (t) => {
  const devices = (await Promise.all(Array.from({ length: 5 }, () => openEnds(t, 'udp')))).flat();
  assert.equal(new Set(devices.map((d) => d.name)).size, 10);
  const ends = devices.map((device) => {
    const pd = device.allocPd();
    const cq = device.createCq();
    return { device, pd, cq, mr: pd.regMr(Buffer.alloc(1000), { access: ALL_ACCESS }) };
  });
  let expected = 0;
  for (const from of ends) {
    for (const to of ends) {
      const p = from.pd.createQp({ type: 'RC', sendCq: from.cq });
      const q = to.pd.createQp({ type: 'RC', sendCq: to.cq });
      p.connect(q.endpoint());
      q.connect(p.endpoint());
      const remote = { remoteAddr: to.mr.addr, rkey: to.mr.rkey };
      p.postSend({ opcode: 'ATOMIC_FETCH_AND_ADD', sge: from.mr.sge(8, 8), ...remote, compareAdd: 1n });
      expected++;
    }
  }
  for (const { cq } of ends) for (let i = 0; i < 10; i++) await nextOk(cq);
  assert.equal(
    ends.reduce((sum, { mr }) => sum + Number(mr.buffer.readBigUInt64LE(0)), 0),
    expected,
  );
});
