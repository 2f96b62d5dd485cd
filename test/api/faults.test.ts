// Networks that lose, repeat, reorder, damage and delay: reliable connections deliver all the same, byte for byte.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { FaultOptions } from '../../src/api/index.ts';
import { connect, type End, makeEnd, next, openEnds, pattern, WIRINGS } from './fixture.ts';

const BYTES = 200_000;
// A round trip fails in less than one of five: that eight in a row do, and with them the connection, is one in a million.
const NETWORKS: Record<string, FaultOptions> = {
  'loss of what is sent': { loss: 0.1, direction: 'tx' },
  'loss everywhere': { loss: 0.05 },
  duplicates: { duplicate: 0.2 },
  reordering: { reorder: 0.1, reorderUs: 200 },
  damage: { corrupt: 0.05 },
  'delay with jitter': { delayUs: 500, delayJitterUs: 300 },
  everything: { loss: 0.02, duplicate: 0.05, reorder: 0.05, corrupt: 0.02, delayUs: 100, delayJitterUs: 100 },
};

async function transfer(x: End, y: End): Promise<void> {
  const ok = async (cq: typeof x.sendCq): Promise<void> => {
    (await next(cq)).orThrow();
  };
  const bytes = pattern(BYTES);
  const half = BYTES / 2;
  bytes.copy(x.mr.buffer);
  y.qp.postRecv([{ sge: y.mr.sge(0, half) }, {}]);
  const there = { remoteAddr: y.mr.addr + half, rkey: y.mr.rkey };
  x.qp.postSend([
    { opcode: 'SEND', sge: x.mr.sge(0, half) },
    { opcode: 'RDMA_WRITE_WITH_IMM', sge: x.mr.sge(half, half), ...there, imm: 1 },
  ]);
  for (let i = 0; i < 2; i++) await ok(x.sendCq);
  for (let i = 0; i < 2; i++) await ok(y.recvCq);
  assert.ok(y.mr.buffer.subarray(0, BYTES).equals(bytes), 'SEND and WRITE');

  x.mr.buffer.fill(0);
  x.qp.postSend({ opcode: 'RDMA_READ', sge: x.mr.sge(0, BYTES), remoteAddr: y.mr.addr, rkey: y.mr.rkey });
  await ok(x.sendCq);
  assert.ok(x.mr.buffer.subarray(0, BYTES).equals(bytes), 'READ');

  // Each is carried out once, however often it is sent.
  y.mr.buffer.fill(0, BYTES);
  const counter = { remoteAddr: y.mr.addr + BYTES, rkey: y.mr.rkey };
  for (let i = 0; i < 40; i++) {
    const sge = x.mr.sge(BYTES + 8 * i, 8);
    x.qp.postSend({ opcode: 'ATOMIC_FETCH_AND_ADD', sge, ...counter, compareAdd: 1n });
  }
  for (let i = 0; i < 40; i++) await ok(x.sendCq);
  assert.equal(y.mr.buffer.readBigUInt64LE(BYTES), 40n);
  for (let i = 0; i < 40; i++) assert.equal(x.mr.buffer.readBigUInt64LE(BYTES + 8 * i), BigInt(i));
}

for (const wiring of WIRINGS) {
  suite(wiring, () => {
    for (const [name, faults] of Object.entries(NETWORKS)) {
      for (const seed of [1, 2, 3]) {
        test(`${name}, seed ${seed}`, async (t) => {
          const [a, b] = await openEnds(t, wiring, { faults: { ...faults, seed } });
          const [x, y] = [makeEnd(a, { bytes: BYTES + 400 }), makeEnd(b, { bytes: BYTES + 400 })];
          connect(x, y, { timeout: 9, retryCnt: 7, minRnrTimer: 1 });
          await transfer(x, y);
          if ((faults.loss ?? 0) > 0) assert.ok(a.counters.retransmitted_pkts > 0);
          if ((faults.corrupt ?? 0) > 0) assert.ok(a.counters.icrc_errors + b.counters.icrc_errors > 0);
          if (faults.duplicate !== undefined) assert.ok(b.counters.duplicate_request > 0);
        });
      }
    }
  });
}

test('the same seed loses the same packets of the same traffic', async (t) => {
  const lost: string[] = [];
  for (const seed of [1, 1, 2]) {
    const [a, b] = await openEnds(t, 'udp', { faults: { loss: 0.3, seed, direction: 'tx' } });
    const [x, y] = [makeEnd(a, { type: 'UC' }), makeEnd(b, { type: 'UC', maxRecvWr: 100 })];
    connect(x, y);
    for (let i = 0; i < 100; i++) y.qp.postRecv({ sge: y.mr.sge(0, 8) });
    for (let i = 0; i < 50; i++)
      x.qp.postSend({ opcode: 'SEND_WITH_IMM', imm: i, inline: Buffer.of(i), signaled: false });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const arrived: (number | null)[] = [];
    for (let got = y.recvCq.poll(100); got.length > 0; got = y.recvCq.poll(100))
      arrived.push(...got.map((wc) => wc.imm));
    assert.ok(arrived.length > 15 && arrived.length < 50, `${arrived.length} of 50 arrived`);
    lost.push(String(arrived));
  }
  assert.equal(lost[0], lost[1]);
  assert.notEqual(lost[0], lost[2]);
});

// With node:dgram what arrives comes in large batches, so that repeated requests and new ones stand in the queue together.
test('a responder refuses no request because it still has repeated ones to answer', async (t) => {
  for (const opcode of ['ATOMIC_FETCH_AND_ADD', 'RDMA_READ'] as const) {
    for (let seed = 1; seed <= 20; seed++) {
      const [a, b] = await openEnds(t, 'dgram', { faults: { reorder: 0.1, reorderUs: 200, seed } });
      const [x, y] = [makeEnd(a), makeEnd(b)];
      connect(x, y, { timeout: 9 });
      const length = opcode === 'RDMA_READ' ? 8000 : 8;
      for (let i = 0; i < 40; i++) {
        x.qp.postSend({ opcode, wrId: i, sge: x.mr.sge(0, length), remoteAddr: y.mr.addr, rkey: y.mr.rkey });
      }
      for (let i = 0; i < 40; i++) {
        const { wrId, status } = await next(x.sendCq);
        assert.deepEqual([wrId, status], [i, 'SUCCESS'], `${opcode}, seed ${seed}`);
      }
    }
  }
});
