// Waiting for completions: await, abort, for await, close; and what happens while nobody polls.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Completion, openDevice } from '../../src/api/index.ts';
import { uniqueAddress } from '../helpers/address.ts';
import { connectedEnds, nextOk, openEnds, sleep, WIRINGS } from './fixture.ts';

for (const wiring of WIRINGS) {
  suite(wiring, () => {
    test('several who wait are served in the order they asked', async (t) => {
      const [x, y] = await connectedEnds(t, wiring);
      const waiting = [0, 1, 2, 3].map(() => nextOk(y.recvCq));
      for (let i = 0; i < 4; i++) y.qp.postRecv({ wrId: i, sge: y.mr.sge(i, 1) });
      await turn();
      for (let i = 0; i < 4; i++) x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(i), signaled: false });
      assert.deepEqual(
        (await Promise.all(waiting)).map((wc) => wc.wrId),
        [0, 1, 2, 3],
      );
    });

    test('abort: before, while waiting, and too late', async (t) => {
      const [x, y] = await connectedEnds(t, wiring);
      const reason = new Error('enough');
      await assert.rejects(y.recvCq.next({ signal: AbortSignal.abort(reason) }), reason);
      const controller = new AbortController();
      const [first, second] = [y.recvCq.next({ signal: controller.signal }), nextOk(y.recvCq)];
      controller.abort(reason);
      await assert.rejects(first, reason);
      // Who gave up gets nothing: the completion is for the one after him.
      y.qp.postRecv({ wrId: 8, sge: y.mr.sge() });
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(1) });
      assert.equal((await second).wrId, 8);
      const late = new AbortController();
      const done = await x.sendCq.next({ signal: late.signal });
      late.abort();
      assert.ok(done.ok);
    });

    test('for await: until break, and from there again', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, { maxRecvWr: 200, maxSendWr: 200 });
      for (let i = 0; i < 200; i++) y.qp.postRecv({ wrId: i, sge: y.mr.sge() });
      for (let i = 0; i < 200; i++) x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(i), signaled: false });
      let expected = 0;
      for (const end of [50, 200]) {
        for await (const wc of y.recvCq) {
          assert.equal(wc.orThrow().wrId, expected++);
          if (expected === end) break;
        }
      }
      assert.equal(expected, 200);
    });

    test('a CQ that is closed ends for await, and rejects next', async (t) => {
      const [device] = await openEnds(t, wiring);
      const cq = device.createCq();
      const loop = (async () => {
        for await (const _ of cq) assert.fail('nothing comes');
        return 'ended';
      })();
      const next = cq.next();
      const kept = assert.rejects(next, { code: 'ECANCELED' });
      await sleep(5);
      cq.close();
      assert.equal(await loop, 'ended');
      await kept;
      await assert.rejects(cq.next(), { code: 'ECANCELED' });
      assert.throws(() => cq.poll(), { code: 'EINVAL' });
      for await (const _ of cq) assert.fail('closed');
    });

    test('a device that is closed does the same, and signals no more', async (t) => {
      const [device] = await openEnds(t, wiring);
      const cq = device.createCq();
      const controller = new AbortController();
      const rejected = assert.rejects(cq.next({ signal: controller.signal }), { code: 'ECANCELED' });
      await device.close();
      await rejected;
      controller.abort();
      await device.close();
      assert.throws(() => device.allocPd());
      assert.throws(() => device.createCq());
    });

    test('for await with a signal ends in its reason', async (t) => {
      const [device] = await openEnds(t, wiring);
      const cq = device.createCq();
      const loop = async (): Promise<void> => {
        for await (const _ of cq.completions({ signal: AbortSignal.timeout(20) })) assert.fail('nothing comes');
      };
      await assert.rejects(loop(), { name: 'TimeoutError' });
    });

    test('pollInto fills the same objects anew', async (t) => {
      const [x, y] = await connectedEnds(t, wiring);
      const into: Completion[] = [];
      const ids: number[] = [];
      for (let round = 0; round < 3; round++) {
        for (const i of [0, 1]) y.qp.postRecv({ wrId: 10 * round + i, sge: y.mr.sge() });
        for (const i of [0, 1]) x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(i), signaled: false });
        for (let got = 0; got < 2; ) {
          await turn();
          const n = y.recvCq.pollInto(into, 2 - got);
          for (let i = 0; i < n; i++) ids.push(into[i].wrId);
          got += n;
        }
        assert.ok(into.length <= 2);
      }
      assert.deepEqual(ids, [0, 1, 10, 11, 20, 21]);
      assert.ok(into[0] instanceof Completion);
    });

    test('other work of the event loop goes on while completions come without end', async (t) => {
      const [x] = await connectedEnds(t, wiring);
      let ticks = 0;
      const timer = setInterval(() => ticks++, 1);
      const end = performance.now() + 100;
      let count = 0;
      while (performance.now() < end) {
        x.qp.postSend({ opcode: 'LOCAL_INV', invalidateRkey: 0, signaled: true });
        await x.sendCq.next();
        count++;
      }
      clearInterval(timer);
      assert.ok(count > 100 && ticks > 10, `${count} completions, ${ticks} ticks`);
    });

    test('a target that never polls serves WRITEs, READs and atomics', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, { bytes: 1 << 20 });
      y.mr.buffer.fill(7);
      const remote = { remoteAddr: y.mr.addr, rkey: y.mr.rkey };
      for (let i = 0; i < 10; i++) {
        x.qp.postSend({ opcode: 'RDMA_READ', sge: x.mr.sge(), ...remote });
        await nextOk(x.sendCq);
        assert.equal(x.mr.buffer[(1 << 20) - 1], 7);
        x.qp.postSend({ opcode: 'ATOMIC_FETCH_AND_ADD', sge: x.mr.sge(0, 8), ...remote, compareAdd: 1n });
        await nextOk(x.sendCq);
        // Both have slept in between.
        await sleep(i);
      }
      assert.equal(y.mr.buffer[0], 17);
      assertNoLoss(x.device.counters, y.device.counters);
    });

    test('who polls once and then waits for something else still acknowledges at once', async (t) => {
      const [x, y] = await connectedEnds(t, wiring);
      for (let i = 0; i < 20; i++) {
        y.qp.postRecv({ sge: y.mr.sge() });
        x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(i) });
        const end = performance.now() + 1000;
        while (y.recvCq.poll().length === 0) {
          assert.ok(performance.now() < end);
          // node:dgram receives nothing while the event loop has not its turn.
          if (wiring === 'dgram') await turn();
        }
        const start = performance.now();
        await nextOk(x.sendCq);
        // The retransmission timer is at 67 ms.
        assert.ok(performance.now() - start < 60);
        await sleep(i % 3);
      }
      assertNoLoss(x.device.counters, y.device.counters);
    });
  });
}

function assertNoLoss(...all: { timeouts: number; retransmitted_pkts: number; duplicate_request: number }[]): void {
  for (const { timeouts, retransmitted_pkts, duplicate_request } of all) {
    assert.deepEqual([timeouts, retransmitted_pkts, duplicate_request], [0, 0, 0]);
  }
}

for (const link of ['udp', 'dgram'] as const) {
  test(`an idle device sleeps: ${link}`, async (t) => {
    const [x, y] = await connectedEnds(t, link);
    y.qp.postRecv({ sge: y.mr.sge() });
    x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(1) });
    await nextOk(y.recvCq);
    await nextOk(x.sendCq);
    await sleep(20);
    const waiting = [x.recvCq.next(), y.recvCq.next()];
    for (const p of waiting) p.catch(() => {});
    await sleep(20);
    const before = process.cpuUsage();
    await sleep(300);
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 60_000, `${user + system} µs of CPU time in 300 ms`);
  });
}

test('blocking the event loop for 200 ms loses nothing', async (t) => {
  const [x, y] = await connectedEnds(t, 'udp');
  y.qp.postRecv({ sge: y.mr.sge() });
  x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(42) });
  const end = performance.now() + 200;
  while (performance.now() < end);
  await nextOk(y.recvCq);
  await nextOk(x.sendCq);
  assert.equal(y.mr.buffer[0], 42);
});

test('progress() alone takes in and answers', async (t) => {
  const [x, y] = await connectedEnds(t, 'udp');
  x.qp.postSend({ opcode: 'RDMA_WRITE', inline: Buffer.of(42), remoteAddr: y.mr.addr, rkey: y.mr.rkey });
  const end = performance.now() + 1000;
  while (y.mr.buffer[0] !== 42) {
    y.device.progress();
    assert.ok(performance.now() < end);
  }
  y.device.progress();
  let done: Completion[] = [];
  while (done.length === 0) {
    done = x.sendCq.poll();
    assert.ok(performance.now() < end);
  }
  assert.ok(done[0].ok);
});

test('closing sends the acknowledgements that are owed', async (t) => {
  const [x, y] = await connectedEnds(t, 'udp');
  y.qp.postRecv({ sge: y.mr.sge() });
  x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(1) });
  while (y.recvCq.poll().length === 0);
  await y.device.close();
  await nextOk(x.sendCq);
  assert.equal(x.device.counters.timeouts, 0);
});

test('await using closes the device, so that its address can be had again', async () => {
  const address = uniqueAddress();
  for (let i = 0; i < 3; i++) {
    await using device = await openDevice({ address });
    assert.equal(device.gids[0].gid, `::ffff:${address}`);
  }
});
