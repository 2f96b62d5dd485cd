// Memory that is far away (another process's): few large accesses instead of many small ones, and nothing told too early.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { QpState, QpType, WcOpcode, WcStatus, WrOpcode } from '../../src/core/constants.ts';
import { LocalMemory, type Memory } from '../../src/core/memory.ts';
import type { MemoryRegion } from '../../src/core/mr.ts';
import * as verbs from '../../src/core/verbs.ts';
import { RecvWr, SendWr, type WorkCompletion } from '../../src/core/work.ts';
import { Rxe } from '../../src/drivers/rxe/driver.ts';
import { LoopbackLink } from '../../src/link/loopback.ts';
import type { SoftQp } from '../../src/transport/qp.ts';
import { ALL_ACCESS, addressVector, fill, type Node, toRts } from './fabric.ts';
import { inParts } from './in-parts.ts';

const MIB = 1 << 20;

class FarMemory implements Memory {
  readonly bytes: Buffer;
  readonly byteLength: number;
  reads = 0;
  writes = 0;
  /** It cannot be written from here on. */
  end: number;
  private readonly near: LocalMemory;

  constructor(length: number) {
    this.bytes = Buffer.from(new ArrayBuffer(length));
    this.near = new LocalMemory(this.bytes);
    this.byteLength = length;
    this.end = length;
  }

  read(offset: number, dst: Buffer, at: number, length: number): boolean {
    this.reads++;
    return this.near.read(offset, dst, at, length);
  }

  write(offset: number, src: Buffer, at: number, length: number): boolean {
    this.writes++;
    return offset + length <= this.end && this.near.write(offset, src, at, length);
  }

  writeParts(offset: number, src: Buffer, ats: Int32Array, lengths: Int32Array, count: number): boolean {
    this.writes++;
    let to = offset;
    for (let i = 0; i < count; i++) {
      if (to + lengths[i] > this.end) return false;
      this.near.write(to, src, ats[i], lengths[i]);
      to += lengths[i];
    }
    return true;
  }
}

interface Side {
  readonly qp: SoftQp;
  readonly memory: FarMemory;
  readonly mr: MemoryRegion;
}

/** `jumbo`: packets are no real ones. `parts`: payload is elsewhere than headers. */
interface Mode {
  readonly jumbo: boolean;
  readonly parts: boolean;
}

const MODES: Readonly<Record<string, Mode>> = {
  'packets of 64 KiB': { jumbo: true, parts: false },
  'packets of 64 KiB in two parts': { jumbo: true, parts: true },
  'packets of the path MTU': { jumbo: false, parts: false },
  'packets of the path MTU in two parts': { jumbo: false, parts: true },
};

/** Two queue pairs of one device, connected to each other. */
function device({ jumbo, parts }: Mode, type: number = QpType.RC) {
  let now = 0;
  const loopback = new LoopbackLink({ addresses: ['192.0.2.1'], needsChecksum: !jumbo });
  const link = parts ? inParts(loopback) : loopback;
  const rxe = new Rxe({ link, clock: () => now });
  const context = verbs.openContext(rxe.device, { owner: 'test' });
  const pd = verbs.allocPd(context);
  const cq = verbs.createCq(context, 256);
  const cap = { maxSendWr: 64, maxRecvWr: 64, maxSendSge: 1, maxRecvSge: 1, maxInlineData: 0 };
  const side = (): Side => {
    const qp = verbs.createQp(pd, { type, sendCq: cq, recvCq: cq, srq: null, cap: { ...cap } }) as SoftQp;
    const memory = new FarMemory(2 * MIB);
    return { qp, memory, mr: verbs.regMr(pd, memory, { access: ALL_ACCESS, iova: 0x100000 }) };
  };
  const [a, b] = [side(), side()];
  const node = { link, modify: verbs.modifyQp } as unknown as Node;
  const attr = { pathMtu: 5, av: addressVector(node), timeout: 14 };
  toRts(node, a.qp, node, b.qp.qpn, attr);
  toRts(node, b.qp, node, a.qp.qpn, attr);
  const run = (): WorkCompletion[] => {
    for (let i = 0; i < 2000 && (!rxe.engine.idle || i < 10); i++) {
      now += 10;
      rxe.engine.progress();
    }
    const out: WorkCompletion[] = [];
    out.length = rxe.device.ops.pollCq(cq, 256, out);
    return out;
  };
  const sge = (of: Side, offset: number, length: number) => [{ addr: 0x100000 + offset, length, lkey: of.mr.lkey }];
  const send = (opcode: number, offset: number, length: number, more = false, extra: Partial<SendWr> = {}): void => {
    const wr = Object.assign(new SendWr(), { opcode, flags: 2, sge: sge(a, offset, length), numSge: 1 }, extra);
    if (opcode !== WrOpcode.SEND) Object.assign(wr, { remoteAddr: 0x100000 + offset, rkey: b.mr.rkey, ...extra });
    rxe.device.ops.postSend(a.qp, wr, more);
  };
  const recv = (length: number): void => {
    rxe.device.ops.postRecv(b.qp, Object.assign(new RecvWr(), { sge: sge(b, 0, length), numSge: 1 }));
  };
  return { a, b, run, send, recv, engine: rxe.engine };
}

const statuses = (wcs: WorkCompletion[]): [number, number][] => wcs.map(({ opcode, status }) => [opcode, status]);
const { SUCCESS, REM_OP_ERR, LOC_PROT_ERR, WR_FLUSH_ERR } = WcStatus;

for (const [name, mode] of Object.entries(MODES)) {
  describe(name, () => {
    const length = 300 * 1024 + 5;

    it('a WRITE is read and written in large pieces', () => {
      const { a, b, run, send } = device(mode);
      fill(a.memory.bytes, 1);
      send(WrOpcode.RDMA_WRITE, 3, length);
      assert.deepEqual(statuses(run()), [[WcOpcode.RDMA_WRITE, SUCCESS]]);
      assert.ok(b.memory.bytes.subarray(3, 3 + length).equals(a.memory.bytes.subarray(3, 3 + length)));
      assert.ok(b.memory.bytes.subarray(3 + length).every((byte) => byte === 0));
      const packets = Math.ceil(length / 4096);
      assert.ok(a.memory.reads < packets / 4, `${a.memory.reads} reads`);
      assert.ok(b.memory.writes < packets / 4, `${b.memory.writes} writes`);
    });

    it('so is a SEND, and a READ', () => {
      const { a, b, run, send, recv } = device(mode);
      fill(a.memory.bytes, 2);
      recv(length);
      send(WrOpcode.SEND, 0, length);
      assert.deepEqual(statuses(run()), [
        [WcOpcode.RECV, SUCCESS],
        [WcOpcode.SEND, SUCCESS],
      ]);
      assert.ok(b.memory.bytes.subarray(0, length).equals(a.memory.bytes.subarray(0, length)));
      fill(b.memory.bytes, 3);
      b.memory.reads = 0;
      send(WrOpcode.RDMA_READ, 0, length);
      assert.deepEqual(statuses(run()), [[WcOpcode.RDMA_READ, SUCCESS]]);
      assert.ok(b.memory.bytes.subarray(0, length).equals(a.memory.bytes.subarray(0, length)));
      assert.ok(b.memory.reads < 20, `${b.memory.reads} reads`);
    });

    it('what was read ahead of one message is not sent as the next', () => {
      const { a, b, run, send } = device(mode);
      for (let seed = 1; seed < 5; seed++) {
        fill(a.memory.bytes, seed);
        send(WrOpcode.RDMA_WRITE, 0, length, true);
        send(WrOpcode.RDMA_WRITE, 8192, length);
        run();
        assert.ok(b.memory.bytes.subarray(0, length + 8192).equals(a.memory.bytes.subarray(0, length + 8192)));
      }
    });

    it('memory that cannot be written ends the connection, and nobody hears of success', () => {
      const { b, run, send, engine, a } = device(mode);
      b.memory.end = 200 * 1024;
      send(WrOpcode.RDMA_WRITE, 0, length, true);
      send(WrOpcode.RDMA_WRITE, 0, 64);
      assert.deepEqual(statuses(run()), [
        [WcOpcode.RDMA_WRITE, REM_OP_ERR],
        [WcOpcode.RDMA_WRITE, WR_FLUSH_ERR],
      ]);
      engine.progress();
      assert.deepEqual([a.qp.attr.state, b.qp.attr.state], [QpState.ERR, QpState.ERR]);
    });

    it('likewise for a SEND: both ends are told', () => {
      const { b, run, send, recv } = device(mode);
      b.memory.end = 200 * 1024;
      recv(length);
      send(WrOpcode.SEND, 0, length);
      assert.deepEqual(statuses(run()), [
        [WcOpcode.RECV, LOC_PROT_ERR],
        [WcOpcode.SEND, REM_OP_ERR],
      ]);
    });

    it('an ATOMIC sees what the WRITE before it wrote', () => {
      const { a, b, run, send } = device(mode);
      a.memory.bytes.writeBigUInt64LE(41n, 8192);
      send(WrOpcode.RDMA_WRITE, 8192, 8, true);
      send(WrOpcode.ATOMIC_FETCH_AND_ADD, 16384, 8, false, { remoteAddr: 0x100000 + 8192, compareAdd: 1n });
      assert.deepEqual(
        run().map(({ status }) => status),
        [SUCCESS, SUCCESS],
      );
      assert.equal(a.memory.bytes.readBigUInt64LE(16384), 41n);
      assert.equal(b.memory.bytes.readBigUInt64LE(8192), 42n);
    });

    it('UC: a message that cannot be written is not completed as if it were', () => {
      const { b, run, send, recv } = device(mode, QpType.UC);
      for (const [end, status] of [
        [2 * MIB, SUCCESS],
        [200 * 1024, LOC_PROT_ERR],
      ]) {
        b.memory.end = end;
        recv(length);
        send(WrOpcode.SEND, 0, length);
        const expected = [
          [WcOpcode.RECV, status],
          [WcOpcode.SEND, SUCCESS],
        ];
        assert.deepEqual(statuses(run()).sort(), expected.sort());
      }
    });
  });
}
