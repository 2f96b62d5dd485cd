// Under loss, duplication, reordering and corruption every message arrives exactly once, in order, byte for byte.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { SendFlags, WcOpcode, WcStatus, WrOpcode } from '../../src/core/constants.ts';
import { connect, Fabric, fill, sge } from './fabric.ts';

const RUNS = Number(process.env.FAULT_RUNS ?? 60);
const ROOM = 8192;

type Op = { kind: 'send' | 'write' | 'read' | 'add'; size: number; fence: boolean };

const op = fc.record<Op>({
  kind: fc.constantFrom('send', 'write', 'read', 'add'),
  size: fc.oneof(fc.constantFrom(0, 1, 255, 256, 257), fc.integer({ min: 0, max: ROOM })),
  fence: fc.boolean(),
});
const scenario = fc.record({
  seed: fc.integer(),
  pathMtu: fc.integer({ min: 1, max: 5 }),
  loss: fc.double({ min: 0, max: 0.2, noNaN: true }),
  duplicate: fc.double({ min: 0, max: 0.2, noNaN: true }),
  reorder: fc.double({ min: 0, max: 0.2, noNaN: true }),
  corrupt: fc.double({ min: 0, max: 0.1, noNaN: true }),
  window: fc.constantFrom(8 * 1024, 64 * 1024, 1024 * 1024),
  ops: fc.array(op, { minLength: 1, maxLength: 60, size: 'max' }),
});

it('RC delivers exactly once, in order, byte for byte, under up to 20 % of each fault', () => {
  fc.assert(
    fc.property(scenario, ({ seed, pathMtu, window, ops, ...faults }) => {
      const f = new Fabric({ seed, ...faults });
      const [a, b] = [f.node({ window }), f.node({ window })];
      const [qa, qb] = [a.createQp(), b.createQp()];
      // retryCnt counts losses in a row; with 20 % each way 7 in a row do happen, and then the status must say so.
      connect(a, qa, b, qb, { pathMtu, timeout: 4 });
      const from = a.regMr(fill(Buffer.alloc(ops.length * ROOM), seed));
      const into = a.regMr(ops.length * ROOM + 8);
      const inbox = b.regMr(ops.length * ROOM + 8);
      const store = b.regMr(fill(Buffer.alloc(ops.length * ROOM), ~seed));
      const original = Buffer.from(store.bytes);
      const counter = b.regMr(8);
      const sends = ops.filter((o) => o.kind === 'send').length;
      for (let i = 0; i < sends; i++) b.recv(qb, { wrId: i, sge: [sge(inbox, i * ROOM, ROOM)] });
      ops.forEach(({ kind, size, fence }, i) => {
        const common = { wrId: i, flags: SendFlags.SIGNALED | (fence ? SendFlags.FENCE : 0) };
        const there = { remoteAddr: store.iova + i * ROOM, rkey: store.rkey };
        if (kind === 'send')
          a.send(qa, { ...common, opcode: WrOpcode.SEND_WITH_IMM, imm: i, sge: [sge(from, i * ROOM, size)] });
        else if (kind === 'write')
          a.send(qa, { ...common, opcode: WrOpcode.RDMA_WRITE, sge: [sge(from, i * ROOM, size)], ...there });
        else if (kind === 'read')
          a.send(qa, { ...common, opcode: WrOpcode.RDMA_READ, sge: [sge(into, i * ROOM, size)], ...there });
        else {
          const cell = { remoteAddr: counter.iova, rkey: counter.rkey, compareAdd: BigInt(i + 1) };
          a.send(qa, { ...common, opcode: WrOpcode.ATOMIC_FETCH_AND_ADD, sge: [sge(into, i * ROOM, 8)], ...cell });
        }
      });
      f.run(60_000_000);
      const done = a.poll(qa.sendCq);
      const failed = done.find((wc) => wc.status !== WcStatus.SUCCESS);
      const good = failed === undefined ? ops.length : done.indexOf(failed);
      assert.equal(done.length, ops.length, 'every request completes');
      assert.deepEqual(
        done.map((wc) => wc.wrId),
        ops.map((_, i) => i),
        'in the order of posting',
      );
      if (failed !== undefined) assert.equal(failed.status, WcStatus.RETRY_EXC_ERR);
      const received = b.poll(qb.recvCq).filter((wc) => wc.status === WcStatus.SUCCESS);
      const expected = ops.flatMap((o, i) => (o.kind === 'send' ? [i] : []));
      // The last ones may have arrived although their acknowledgement was lost for good.
      assert.ok(received.length >= expected.filter((i) => i < good).length);
      received.forEach((wc, n) => {
        assert.deepEqual(
          [wc.wrId, wc.opcode, wc.imm, wc.byteLen],
          [n, WcOpcode.RECV, expected[n], ops[expected[n]].size],
        );
        const at = expected[n] * ROOM;
        assert.ok(
          inbox.bytes.subarray(n * ROOM, n * ROOM + wc.byteLen).equals(from.bytes.subarray(at, at + wc.byteLen)),
        );
      });
      let sum = 0;
      ops.slice(0, good).forEach(({ kind, size }, i) => {
        const at = i * ROOM;
        if (kind === 'write') assert.ok(store.bytes.subarray(at, at + size).equals(from.bytes.subarray(at, at + size)));
        if (kind === 'read') assert.ok(into.bytes.subarray(at, at + size).equals(original.subarray(at, at + size)));
        if (kind === 'add') {
          assert.equal(into.bytes.readBigUInt64LE(at), BigInt(sum), 'each atomic is carried out once');
          sum += i + 1;
        }
      });
      if (failed === undefined) assert.equal(counter.bytes.readBigUInt64LE(0), BigInt(sum));
      f.close();
    }),
    { numRuns: RUNS, seed: Number(process.env.FAULT_SEED ?? 42) },
  );
});
