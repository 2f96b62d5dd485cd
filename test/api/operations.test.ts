// Each operation of a reliable connection, over each kind of link.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  connect,
  connectedEnds,
  makeEnd,
  next,
  nextOk,
  openEnds,
  pattern,
  sleep,
  statuses,
  WIRINGS,
} from './fixture.ts';

const MTU = 4096;
const SIZES = [0, 1, 3, MTU - 1, MTU, MTU + 1, 3 * MTU + 5, 1 << 20];

for (const wiring of WIRINGS) {
  suite(wiring, () => {
    test('SEND of every size', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, { bytes: 1 << 20 });
      assert.equal(x.qp.endpoint().mtu, MTU);
      for (const [i, size] of SIZES.entries()) {
        const bytes = pattern(size, i);
        bytes.copy(x.mr.buffer);
        y.mr.buffer.fill(0);
        y.qp.postRecv({ wrId: 100 + i, sge: y.mr.sge() });
        x.qp.postSend({ opcode: 'SEND', wrId: i, sge: x.mr.sge(0, size) });
        const wc = await nextOk(y.recvCq);
        assert.deepEqual([wc.wrId, wc.opcode, wc.byteLen, wc.imm, wc.qpn], [100 + i, 'RECV', size, null, y.qp.qpn]);
        assert.ok(y.mr.buffer.subarray(0, size).equals(bytes), `${size} bytes`);
        assert.ok(
          y.mr.buffer.subarray(size).every((b) => b === 0),
          'nothing beyond',
        );
        const sent = await nextOk(x.sendCq);
        assert.deepEqual([sent.wrId, sent.opcode, sent.qpn], [i, 'SEND', x.qp.qpn]);
      }
    });

    test('RDMA_WRITE of every size, seen by the peer without a completion there', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, { bytes: (1 << 20) + 16 });
      for (const [i, size] of SIZES.entries()) {
        const bytes = pattern(size, 20 + i);
        bytes.copy(x.mr.buffer);
        y.mr.buffer.fill(0xee);
        const { addr, rkey } = y.mr.remote(8);
        x.qp.postSend({ opcode: 'RDMA_WRITE', wrId: i, sge: x.mr.sge(0, size), remoteAddr: addr, rkey });
        const wc = await nextOk(x.sendCq);
        assert.deepEqual([wc.wrId, wc.opcode], [i, 'RDMA_WRITE']);
        assert.ok(y.mr.buffer.subarray(8, 8 + size).equals(bytes), `${size} bytes`);
        assert.equal(y.mr.buffer[7], 0xee);
        assert.equal(y.mr.buffer[8 + size], 0xee);
      }
      assert.deepEqual(y.recvCq.poll(), []);
    });

    test('RDMA_READ of every size', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, { bytes: (1 << 20) + 16 });
      for (const [i, size] of SIZES.entries()) {
        const bytes = pattern(size, 40 + i);
        bytes.copy(y.mr.buffer, 3);
        x.mr.buffer.fill(0xdd);
        const { addr, rkey } = y.mr.remote(3);
        x.qp.postSend({ opcode: 'RDMA_READ', wrId: i, sge: x.mr.sge(5, size), remoteAddr: addr, rkey });
        const wc = await nextOk(x.sendCq);
        assert.deepEqual([wc.wrId, wc.opcode, wc.byteLen], [i, 'RDMA_READ', size]);
        assert.ok(x.mr.buffer.subarray(5, 5 + size).equals(bytes), `${size} bytes`);
        assert.equal(x.mr.buffer[4], 0xdd);
        assert.equal(x.mr.buffer[5 + size], 0xdd);
      }
    });

    test('immediate data with SEND and with WRITE', async (t) => {
      const [x, y] = await connectedEnds(t, wiring);
      for (const imm of [0, 1, 0x80000000, 0xffffffff, 0x12345678]) {
        for (const size of [0, 5, MTU + 1]) {
          y.qp.postRecv([{ wrId: 1, sge: y.mr.sge(0, 8192) }, { wrId: 2 }]);
          const bytes = pattern(size, imm);
          bytes.copy(x.mr.buffer);
          x.qp.postSend({ opcode: 'SEND_WITH_IMM', sge: x.mr.sge(0, size), imm });
          const recv = await nextOk(y.recvCq);
          assert.deepEqual([recv.wrId, recv.opcode, recv.byteLen, recv.imm], [1, 'RECV', size, imm]);
          const { addr, rkey } = y.mr.remote(16384);
          const sge = x.mr.sge(0, size);
          x.qp.postSend({ opcode: 'RDMA_WRITE_WITH_IMM', sge, remoteAddr: addr, rkey, imm });
          const written = await nextOk(y.recvCq);
          const { wrId, opcode, byteLen } = written;
          assert.deepEqual([wrId, opcode, byteLen, written.imm], [2, 'RECV_RDMA_WITH_IMM', size, imm]);
          assert.ok(y.mr.buffer.subarray(16384, 16384 + size).equals(bytes));
          assert.deepEqual(await statuses(x.sendCq, 2), ['SUCCESS', 'SUCCESS']);
        }
      }
    });

    test('FETCH_ADD and CMP_SWAP work on 64 bits, and return what was there', async (t) => {
      const [x, y] = await connectedEnds(t, wiring);
      const remote = { remoteAddr: y.mr.addr + 8, rkey: y.mr.rkey };
      const value = (): bigint => y.mr.buffer.readBigUInt64LE(8);
      const original = (): bigint => x.mr.buffer.readBigUInt64LE(16);
      y.mr.buffer.writeBigUInt64LE(0xffffffff_fffffff0n, 8);
      x.qp.postSend({ opcode: 'ATOMIC_FETCH_AND_ADD', sge: x.mr.sge(16, 8), ...remote, compareAdd: 0x1_00000011n });
      let wc = await nextOk(x.sendCq);
      assert.deepEqual([wc.opcode, wc.byteLen], ['FETCH_ADD', 8]);
      assert.equal(original(), 0xffffffff_fffffff0n);
      assert.equal(value(), 0x1_00000001n);

      const swap = 0x01234567_89abcdefn;
      const wrong = { compareAdd: 0x1_00000002n, swap };
      x.qp.postSend({ opcode: 'ATOMIC_CMP_AND_SWP', sge: x.mr.sge(16, 8), ...remote, ...wrong });
      wc = await nextOk(x.sendCq);
      assert.deepEqual([wc.opcode, wc.byteLen], ['COMP_SWAP', 8]);
      assert.equal(original(), 0x1_00000001n);
      assert.equal(value(), 0x1_00000001n);
      x.qp.postSend({ opcode: 'ATOMIC_CMP_AND_SWP', sge: x.mr.sge(16, 8), ...remote, compareAdd: value(), swap });
      await nextOk(x.sendCq);
      assert.equal(original(), 0x1_00000001n);
      assert.equal(value(), swap);
    });

    test('ATOMIC_WRITE stores 8 bytes; FLUSH waits for what was written', async (t) => {
      const [a, b] = await openEnds(t, wiring);
      const [x, y] = [makeEnd(a), makeEnd(b)];
      connect(x, y, { access: ['REMOTE_WRITE', 'REMOTE_READ', 'FLUSH_GLOBAL', 'FLUSH_PERSISTENT'] });
      y.mr.setAccess(['LOCAL_WRITE', 'REMOTE_WRITE', 'FLUSH_GLOBAL']);
      const remote = { remoteAddr: y.mr.addr + 8, rkey: y.mr.rkey };
      x.qp.postSend([
        { opcode: 'RDMA_WRITE', sge: x.mr.sge(0, 5000), ...remote },
        { opcode: 'ATOMIC_WRITE', swap: 0x1122334455667788n, ...remote },
        { opcode: 'FLUSH', flush: { length: 5000 }, ...remote },
        { opcode: 'FLUSH', rkey: y.mr.rkey },
      ]);
      const opcodes: string[] = [];
      for (let i = 0; i < 4; i++) opcodes.push((await nextOk(x.sendCq)).opcode);
      assert.deepEqual(opcodes, ['RDMA_WRITE', 'ATOMIC_WRITE', 'FLUSH', 'FLUSH']);
      assert.equal(y.mr.buffer.readBigUInt64LE(8), 0x1122334455667788n);
      x.qp.postSend({ opcode: 'FLUSH', flush: { persistent: true }, rkey: y.mr.rkey });
      assert.equal((await next(x.sendCq)).status, 'REM_ACCESS_ERR');
    });

    test('atomic operations of both ends on one word add up', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, { maxSendWr: 128 });
      const rounds = 100;
      for (const [own, peer] of [
        [x, y],
        [y, x],
      ]) {
        const target =
          peer === y ? { remoteAddr: y.mr.addr, rkey: y.mr.rkey } : { remoteAddr: x.mr.addr, rkey: x.mr.rkey };
        for (let i = 0; i < rounds; i++) {
          own.qp.postSend({ opcode: 'ATOMIC_FETCH_AND_ADD', sge: own.mr.sge(8 + 8 * i, 8), ...target, compareAdd: 2n });
        }
      }
      for (const { sendCq } of [x, y]) for (let i = 0; i < rounds; i++) await nextOk(sendCq);
      for (const { mr } of [x, y]) {
        assert.equal(mr.buffer.readBigUInt64LE(0), 2n * BigInt(rounds));
        const seen = Array.from({ length: rounds }, (_, i) => mr.buffer.readBigUInt64LE(8 + 8 * i));
        assert.deepEqual(
          seen,
          Array.from({ length: rounds }, (_, i) => 2n * BigInt(i)),
          'each saw the sum before it',
        );
      }
    });

    test('inline data is copied when it is posted', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, { maxInlineData: 64 });
      const bytes = pattern(64);
      const own = Buffer.from(bytes);
      y.qp.postRecv([{ sge: y.mr.sge(0, 100) }, { sge: y.mr.sge(100, 100) }]);
      x.qp.postSend([
        { opcode: 'SEND', inline: own },
        { opcode: 'SEND', inline: own.subarray(0, 1) },
        { opcode: 'RDMA_WRITE', inline: own.subarray(0, 33), remoteAddr: y.mr.addr + 1000, rkey: y.mr.rkey },
      ]);
      own.fill(0);
      assert.equal((await nextOk(y.recvCq)).byteLen, 64);
      assert.equal((await nextOk(y.recvCq)).byteLen, 1);
      assert.deepEqual(await statuses(x.sendCq, 3), ['SUCCESS', 'SUCCESS', 'SUCCESS']);
      assert.ok(y.mr.buffer.subarray(0, 64).equals(bytes));
      assert.equal(y.mr.buffer[100], bytes[0]);
      assert.ok(y.mr.buffer.subarray(1000, 1033).equals(bytes.subarray(0, 33)));
      const max = x.qp.cap.maxInlineData;
      assert.throws(() => x.qp.postSend({ opcode: 'SEND', inline: Buffer.alloc(max + 1) }), { code: 'ENOMEM' });
    });

    test('several SGEs are gathered and scattered, empty ones too', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, { maxSendSge: 5, maxRecvSge: 4 });
      const bytes = pattern(10_000);
      bytes.copy(x.mr.buffer);
      const gather = [x.mr.sge(0, 1), x.mr.sge(1, 0), x.mr.sge(1, 4096), x.mr.sge(4097, 3), x.mr.sge(4100, 5900)];
      const scatter = [y.mr.sge(9, 5000), y.mr.sge(20_000, 0), y.mr.sge(20_000, 4999), y.mr.sge(30_000, 500)];
      y.qp.postRecv({ sge: scatter });
      x.qp.postSend({ opcode: 'SEND', sge: gather });
      assert.equal((await nextOk(y.recvCq)).byteLen, 10_000);
      const got = [
        y.mr.buffer.subarray(9, 5009),
        y.mr.buffer.subarray(20_000, 24_999),
        y.mr.buffer.subarray(30_000, 30_001),
      ];
      assert.ok(Buffer.concat(got).equals(bytes));
      assert.equal(y.mr.buffer[30_001], 0);
      await nextOk(x.sendCq);
      // A READ scatters too.
      x.mr.buffer.fill(0);
      bytes.copy(y.mr.buffer, 40_000);
      x.qp.postSend({ opcode: 'RDMA_READ', sge: gather, remoteAddr: y.mr.addr + 40_000, rkey: y.mr.rkey });
      assert.equal((await nextOk(x.sendCq)).byteLen, 10_000);
      assert.ok(x.mr.buffer.subarray(0, 10_000).equals(bytes));
      assert.throws(() => x.qp.postSend({ opcode: 'SEND', sge: Array(6).fill(x.mr.sge(0, 1)) }), { code: 'EINVAL' });
    });

    test('unsignaled requests complete silently, in order with the signaled ones; errors speak up', async (t) => {
      const [x, y] = await connectedEnds(t, wiring);
      const remote = { remoteAddr: y.mr.addr, rkey: y.mr.rkey };
      for (let i = 0; i < 10; i++) {
        x.qp.postSend({ opcode: 'RDMA_WRITE', wrId: i, sge: x.mr.sge(0, 100), ...remote, signaled: i % 5 === 4 });
      }
      assert.equal((await nextOk(x.sendCq)).wrId, 4);
      assert.equal((await nextOk(x.sendCq)).wrId, 9);
      x.qp.postSend({ opcode: 'RDMA_WRITE', wrId: 77, sge: x.mr.sge(0, 1), ...remote, rkey: 1, signaled: false });
      const wc = await next(x.sendCq);
      assert.deepEqual([wc.wrId, wc.status], [77, 'REM_ACCESS_ERR']);
    });

    test('a queue of unsignaled requests may be filled again and again', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, { maxSendWr: 8 });
      const remote = { remoteAddr: y.mr.addr, rkey: y.mr.rkey };
      let posted = 0;
      while (posted < 100) {
        try {
          x.qp.postSend({ opcode: 'RDMA_WRITE', inline: Buffer.of(posted), ...remote, signaled: false });
          posted++;
        } catch (error) {
          assert.equal((error as { code: string }).code, 'ENOMEM');
          await sleep(0);
        }
      }
      x.qp.postSend({ opcode: 'RDMA_READ', sge: x.mr.sge(0, 1), ...remote });
      await nextOk(x.sendCq);
      assert.equal(x.mr.buffer[0], 99);
    });

    test('a fence waits for the READ before it', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, { bytes: 1 << 20 });
      const bytes = pattern(1 << 19);
      bytes.copy(y.mr.buffer);
      const read = { opcode: 'RDMA_READ', sge: x.mr.sge(0, 1 << 19), remoteAddr: y.mr.addr, rkey: y.mr.rkey } as const;
      const back = {
        opcode: 'RDMA_WRITE',
        sge: x.mr.sge(0, 1 << 19),
        remoteAddr: y.mr.addr + (1 << 19),
        rkey: y.mr.rkey,
        fence: true,
      } as const;
      // Without the fence the WRITE would send what stood there before the READ's responses came.
      x.qp.postSend([read, back]);
      assert.deepEqual(await statuses(x.sendCq, 2), ['SUCCESS', 'SUCCESS']);
      assert.ok(y.mr.buffer.subarray(1 << 19).equals(bytes));
    });

    test('completions come in the order of posting, whatever the operations', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, { maxSendWr: 64 });
      const remote = { remoteAddr: y.mr.addr, rkey: y.mr.rkey };
      const ops = ['RDMA_READ', 'RDMA_WRITE', 'ATOMIC_FETCH_AND_ADD', 'SEND'] as const;
      for (let i = 0; i < 15; i++) y.qp.postRecv({ sge: y.mr.sge(32_768, 1024) });
      for (let i = 0; i < 60; i++) x.qp.postSend({ opcode: ops[i % 4], wrId: i, sge: x.mr.sge(8 * i, 8), ...remote });
      for (let i = 0; i < 60; i++) assert.equal((await nextOk(x.sendCq)).wrId, i);
    });

    test('more READs than may be outstanding wait their turn', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, { maxSendWr: 64 }, { maxRdAtomic: 1, maxDestRdAtomic: 1 });
      const bytes = pattern(64 * 64);
      bytes.copy(y.mr.buffer);
      for (let i = 0; i < 64; i++) {
        x.qp.postSend({
          opcode: 'RDMA_READ',
          sge: x.mr.sge(64 * i, 64),
          remoteAddr: y.mr.addr + 64 * i,
          rkey: y.mr.rkey,
        });
      }
      assert.deepEqual(await statuses(x.sendCq, 64), Array(64).fill('SUCCESS'));
      assert.ok(x.mr.buffer.subarray(0, 64 * 64).equals(bytes));
    });

    test('both ends send 200 messages at once', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, { maxSendWr: 256, maxRecvWr: 256, cqe: 512 });
      for (const end of [x, y]) {
        for (let i = 0; i < 200; i++) end.qp.postRecv({ wrId: i, sge: end.mr.sge(32_768 + 100 * i, 100) });
      }
      for (const end of [x, y]) {
        for (let i = 0; i < 200; i++) end.mr.buffer.writeUInt32LE(i, 100 * i);
        end.qp.postSend(
          Array.from({ length: 200 }, (_, i) => ({ opcode: 'SEND' as const, wrId: i, sge: end.mr.sge(100 * i, 100) })),
        );
      }
      for (const end of [x, y]) {
        for (let i = 0; i < 200; i++) {
          const wc = await nextOk(end.recvCq);
          assert.equal(wc.wrId, i);
          assert.equal(end.mr.buffer.readUInt32LE(32_768 + 100 * i), i);
        }
        for (let i = 0; i < 200; i++) assert.equal((await nextOk(end.sendCq)).wrId, i);
      }
    });

    test('path MTU of 256 to 4096 bytes', async (t) => {
      for (const mtu of [256, 512, 1024, 2048, 4096]) {
        const [x, y] = await connectedEnds(t, wiring, {}, { mtu });
        assert.equal(x.qp.query().pathMtu, [256, 512, 1024, 2048, 4096].indexOf(mtu) + 1);
        const bytes = pattern(10 * mtu + 1, mtu);
        bytes.copy(x.mr.buffer);
        const before = x.device.counters.sent_pkts;
        x.qp.postSend({ opcode: 'RDMA_WRITE', sge: x.mr.sge(0, bytes.length), remoteAddr: y.mr.addr, rkey: y.mr.rkey });
        await nextOk(x.sendCq);
        assert.ok(y.mr.buffer.subarray(0, bytes.length).equals(bytes));
        assert.ok(x.device.counters.sent_pkts - before >= 11);
      }
    });
  });
}
