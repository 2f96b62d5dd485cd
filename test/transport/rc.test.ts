// Reliable connections: each operation, its completions and its bytes, and each way to fail.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  Access,
  EventType,
  FlushLevel,
  FlushType,
  MwType,
  QpAttrMask,
  QpState,
  SendFlags,
  WcFlags,
  WcOpcode,
  WcStatus,
  WrOpcode,
} from '../../src/core/constants.ts';
import * as verbs from '../../src/core/verbs.ts';
import type { WorkCompletion } from '../../src/core/work.ts';
import type { SoftQp } from '../../src/transport/qp.ts';
import { ALL_ACCESS, connect, Fabric, fill, type Node, sge } from './fabric.ts';

interface Pair {
  readonly f: Fabric;
  readonly a: Node;
  readonly b: Node;
  readonly qa: SoftQp;
  readonly qb: SoftQp;
}

function pair(attr: Parameters<typeof connect>[4] = {}): Pair {
  const f = new Fabric();
  const a = f.node();
  const b = f.node();
  const qa = a.createQp();
  const qb = b.createQp();
  connect(a, qa, b, qb, attr);
  return { f, a, b, qa, qb };
}

const statuses = (wcs: WorkCompletion[]): number[] => wcs.map((wc) => wc.status);
const { SUCCESS } = WcStatus;
const SIZES = [0, 1, 3, 1023, 1024, 1025, 4096, 100_003];

describe('RC operations', () => {
  for (const size of SIZES) {
    it(`SEND of ${size} bytes`, () => {
      const { f, a, b, qa, qb } = pair();
      const from = a.regMr(fill(Buffer.alloc(size + 8)));
      const to = b.regMr(size + 8);
      b.recv(qb, { wrId: 9, sge: [sge(to, 4, size)] });
      a.send(qa, { wrId: 5, opcode: WrOpcode.SEND, sge: [sge(from, 2, size)] });
      f.run();
      const [sent] = a.poll(qa.sendCq);
      const [got] = b.poll(qb.recvCq);
      assert.deepEqual([sent.wrId, sent.status, sent.opcode, sent.qpn], [5, SUCCESS, WcOpcode.SEND, qa.qpn]);
      assert.deepEqual([got.wrId, got.status, got.opcode, got.byteLen], [9, SUCCESS, WcOpcode.RECV, size]);
      assert.ok(to.bytes.subarray(4, 4 + size).equals(from.bytes.subarray(2, 2 + size)));
      assert.equal(to.bytes.readUInt32LE(size + 4), 0, 'nothing behind the message is touched');
      f.close();
    });

    it(`RDMA WRITE and READ of ${size} bytes`, () => {
      const { f, a, b, qa } = pair();
      const from = a.regMr(fill(Buffer.alloc(size + 8)));
      const back = a.regMr(size + 8);
      const to = b.regMr(size + 8);
      const remote = { remoteAddr: to.iova + 4, rkey: to.rkey };
      a.send(qa, { opcode: WrOpcode.RDMA_WRITE, sge: [sge(from, 2, size)], ...remote });
      a.send(qa, {
        opcode: WrOpcode.RDMA_READ,
        sge: [sge(back, 0, size)],
        ...remote,
        flags: SendFlags.SIGNALED | SendFlags.FENCE,
      });
      f.run();
      const [write, read] = a.poll(qa.sendCq);
      assert.deepEqual([write.status, write.opcode], [SUCCESS, WcOpcode.RDMA_WRITE]);
      assert.deepEqual([read.status, read.opcode, read.byteLen], [SUCCESS, WcOpcode.RDMA_READ, size]);
      assert.ok(to.bytes.subarray(4, 4 + size).equals(from.bytes.subarray(2, 2 + size)));
      assert.ok(back.bytes.subarray(0, size).equals(from.bytes.subarray(2, 2 + size)));
      assert.equal(to.bytes.readUInt32LE(size + 4), 0);
      f.close();
    });
  }

  it('SEND and WRITE with immediate data, and solicited', () => {
    const { f, a, b, qa, qb } = pair();
    const from = a.regMr(fill(Buffer.alloc(3000)));
    const to = b.regMr(3000);
    for (let i = 0; i < 3; i++) b.recv(qb, { wrId: i, sge: [sge(to, 0, 3000)] });
    const { RDMA_WRITE_WITH_IMM, SEND_WITH_IMM } = WrOpcode;
    a.send(qa, { opcode: SEND_WITH_IMM, imm: 0xdeadbeef, sge: [sge(from, 0, 2500)] });
    a.send(qa, {
      opcode: RDMA_WRITE_WITH_IMM,
      imm: 1,
      sge: [sge(from, 0, 2500)],
      remoteAddr: to.iova + 1,
      rkey: to.rkey,
    });
    a.send(qa, { opcode: RDMA_WRITE_WITH_IMM, imm: 2, sge: [], remoteAddr: 0, rkey: 0 });
    f.run();
    assert.deepEqual(statuses(a.poll(qa.sendCq)), [SUCCESS, SUCCESS, SUCCESS]);
    const got = b.poll(qb.recvCq).map((wc) => [wc.wrId, wc.opcode, wc.byteLen, wc.imm, wc.flags]);
    assert.deepEqual(got, [
      [0, WcOpcode.RECV, 2500, 0xdeadbeef, WcFlags.WITH_IMM],
      [1, WcOpcode.RECV_RDMA_WITH_IMM, 2500, 1, WcFlags.WITH_IMM],
      [2, WcOpcode.RECV_RDMA_WITH_IMM, 0, 2, WcFlags.WITH_IMM],
    ]);
    assert.ok(to.bytes.subarray(1, 2501).equals(from.bytes.subarray(0, 2500)));
    f.close();
  });

  it('gathers and scatters over several elements, some of them empty', () => {
    const { f, a, b, qa, qb } = pair();
    const from = a.regMr(fill(Buffer.alloc(8192)));
    const to = b.regMr(8192);
    b.recv(qb, { sge: [sge(to, 0, 7), sge(to, 100, 0), sge(to, 1000, 2000), sge(to, 4000, 4000)] });
    a.send(qa, {
      opcode: WrOpcode.SEND,
      sge: [sge(from, 0, 1500), sge(from, 5000, 0), sge(from, 2000, 1), sge(from, 3000, 1700)],
    });
    f.run();
    assert.deepEqual(statuses(a.poll(qa.sendCq)), [SUCCESS]);
    const sent = Buffer.concat([
      from.bytes.subarray(0, 1500),
      from.bytes.subarray(2000, 2001),
      from.bytes.subarray(3000, 4700),
    ]);
    const got = Buffer.concat([to.bytes.subarray(0, 7), to.bytes.subarray(1000, 3000), to.bytes.subarray(4000, 8000)]);
    assert.ok(got.subarray(0, 3201).equals(sent));
    f.close();
  });

  it('ATOMIC: 64-bit fetch-and-add with carry and wrap, compare-and-swap hit and miss', () => {
    const { f, a, b, qa } = pair();
    const result = a.regMr(64);
    const cell = b.regMr(64);
    cell.bytes.writeBigUInt64LE(0xffff_ffff_ffff_fffen, 8);
    const target = { remoteAddr: cell.iova + 8, rkey: cell.rkey };
    const { ATOMIC_CMP_AND_SWP, ATOMIC_FETCH_AND_ADD } = WrOpcode;
    a.send(qa, { opcode: ATOMIC_FETCH_AND_ADD, compareAdd: 0x1_0000_0003n, sge: [sge(result, 0, 8)], ...target });
    a.send(qa, { opcode: ATOMIC_CMP_AND_SWP, compareAdd: 5n, swap: 6n, sge: [sge(result, 8, 8)], ...target });
    a.send(qa, {
      opcode: ATOMIC_CMP_AND_SWP,
      compareAdd: 0x1_0000_0001n,
      swap: 0x8877665544332211n,
      sge: [sge(result, 16, 8)],
      ...target,
    });
    f.run();
    assert.deepEqual(statuses(a.poll(qa.sendCq)), [SUCCESS, SUCCESS, SUCCESS]);
    assert.equal(result.bytes.readBigUInt64LE(0), 0xffff_ffff_ffff_fffen);
    assert.equal(result.bytes.readBigUInt64LE(8), 0x1_0000_0001n);
    assert.equal(result.bytes.readBigUInt64LE(16), 0x1_0000_0001n);
    assert.equal(cell.bytes.readBigUInt64LE(8), 0x8877665544332211n);
    f.close();
  });

  it('ATOMIC WRITE stores eight bytes, FLUSH waits for them; duplicates do neither twice (annex A19)', () => {
    const { f, a, b, qa } = pair({ accessFlags: ALL_ACCESS | Access.FLUSH_GLOBAL });
    const cell = b.regMr(64, ALL_ACCESS | Access.FLUSH_GLOBAL);
    const target = { remoteAddr: cell.iova + 8, rkey: cell.rkey };
    const { ATOMIC_WRITE, FLUSH } = WrOpcode;
    // The answer to the first is lost, so that it is asked again after the memory has changed.
    f.sim.setPath(b.link, a.link, { loss: 1 });
    a.send(qa, { opcode: ATOMIC_WRITE, swap: 0x1122334455667788n, ...target });
    f.run(20);
    assert.equal(cell.bytes.readBigUInt64LE(8), 0x1122334455667788n);
    cell.bytes.writeBigUInt64LE(7n, 8);
    f.sim.setPath(b.link, a.link, { loss: 0 });
    a.send(qa, {
      opcode: FLUSH,
      flushType: FlushType.GLOBAL,
      flushLevel: FlushLevel.RANGE,
      flushLength: 64,
      ...target,
      remoteAddr: cell.iova,
    });
    a.send(qa, { opcode: FLUSH, flushType: FlushType.GLOBAL, flushLevel: FlushLevel.MR, ...target });
    f.run();
    assert.deepEqual(
      a.poll(qa.sendCq).map((wc) => [wc.status, wc.opcode]),
      [
        [SUCCESS, WcOpcode.ATOMIC_WRITE],
        [SUCCESS, WcOpcode.FLUSH],
        [SUCCESS, WcOpcode.FLUSH],
      ],
    );
    assert.equal(cell.bytes.readBigUInt64LE(8), 7n);
    a.send(qa, { opcode: FLUSH, flushType: FlushType.PERSISTENT, flushLevel: FlushLevel.MR, ...target });
    f.run();
    assert.deepEqual(statuses(a.poll(qa.sendCq)), [WcStatus.REM_INV_REQ_ERR]);
    f.close();
  });

  it('memory windows: bind, use, invalidate by the peer (SEND_WITH_INV) and here (LOCAL_INV)', () => {
    const { f, a, b, qa, qb } = pair();
    const data = a.regMr(fill(Buffer.alloc(256)));
    const shared = b.regMr(4096);
    const mw = verbs.allocMw(b.pd, MwType.TYPE_2);
    const bind = (): number => {
      const bindRkey = verbs.nextKey(mw.rkey);
      const range = { bindMr: shared, bindAddr: shared.iova + 1000, bindLength: 256, bindAccess: Access.REMOTE_WRITE };
      b.send(qb, { opcode: WrOpcode.BIND_MW, mw, bindRkey, ...range });
      f.run();
      assert.deepEqual(
        b.poll(qb.sendCq).map((wc) => [wc.status, wc.opcode]),
        [[SUCCESS, WcOpcode.BIND_MW]],
      );
      return bindRkey;
    };
    const write = { opcode: WrOpcode.RDMA_WRITE, sge: [sge(data, 0, 256)], remoteAddr: shared.iova + 1000 };
    let rkey = bind();
    assert.throws(() => verbs.deregMr(shared), { code: 'EBUSY' });
    b.recv(qb, { wrId: 3, sge: [] });
    a.send(qa, { ...write, rkey });
    a.send(qa, { opcode: WrOpcode.SEND_WITH_INV, imm: rkey });
    f.run();
    assert.deepEqual(statuses(a.poll(qa.sendCq)), [SUCCESS, SUCCESS]);
    const [got] = b.poll(qb.recvCq);
    assert.deepEqual([got.flags, got.imm], [WcFlags.WITH_INV, rkey]);
    assert.ok(shared.bytes.subarray(1000, 1256).equals(data.bytes));
    rkey = bind();
    b.send(qb, { opcode: WrOpcode.LOCAL_INV, imm: rkey });
    f.run();
    assert.deepEqual(
      b.poll(qb.sendCq).map((wc) => [wc.status, wc.opcode]),
      [[SUCCESS, WcOpcode.LOCAL_INV]],
    );
    a.send(qa, { ...write, rkey });
    f.run();
    assert.deepEqual(statuses(a.poll(qa.sendCq)), [WcStatus.REM_ACCESS_ERR]);
    f.close();
  });

  it('completes unsignalled requests without completions, and in order', () => {
    const { f, a, b, qa } = pair();
    const from = a.regMr(1024);
    const to = b.regMr(1024);
    const write = { opcode: WrOpcode.RDMA_WRITE, sge: [sge(from, 0, 64)], remoteAddr: to.iova, rkey: to.rkey };
    for (let i = 0; i < 60; i++) a.send(qa, { ...write, wrId: i, flags: i % 7 === 6 ? SendFlags.SIGNALED : 0 });
    f.run();
    assert.deepEqual(
      a.poll(qa.sendCq).map((wc) => wc.wrId),
      [6, 13, 20, 27, 34, 41, 48, 55],
    );
    assert.equal(qa.sq.count, 0);
    f.close();
  });

  it('asks for a long READ in pieces that the receive window holds', () => {
    const f = new Fabric();
    const a = f.node({ window: 16 * 1024 });
    const b = f.node();
    const qa = a.createQp();
    const qb = b.createQp();
    connect(a, qa, b, qb);
    const to = a.regMr(1 << 20);
    const from = b.regMr(fill(Buffer.alloc(1 << 20)));
    a.send(qa, { opcode: WrOpcode.RDMA_READ, sge: [sge(to, 0, 1 << 20)], remoteAddr: from.iova, rkey: from.rkey });
    f.run();
    assert.deepEqual(statuses(a.poll(qa.sendCq)), [SUCCESS]);
    assert.ok(to.bytes.equals(from.bytes));
    assert.equal(a.rxe.engine.counters.retransmitted_pkts, 0);
    f.close();
  });
});

describe('RC errors', () => {
  // What the requester does, what it gets, and the responder's event: none where a receive request tells (C9-222.1.1).
  const remote: [string, (p: Pair) => void, number, number | null][] = [
    ['a key that does not exist', (p) => write(p, { rkey: 0x42 }), WcStatus.REM_ACCESS_ERR, EventType.QP_ACCESS_ERR],
    ['an address outside the region', (p) => write(p, { at: 4090 }), WcStatus.REM_ACCESS_ERR, EventType.QP_ACCESS_ERR],
    [
      'a region without REMOTE_WRITE',
      (p) => write(p, { access: Access.LOCAL_WRITE }),
      WcStatus.REM_ACCESS_ERR,
      EventType.QP_ACCESS_ERR,
    ],
    ['a message longer than the receive buffer', (p) => tooLong(p), WcStatus.REM_INV_REQ_ERR, null],
    ['an atomic at an odd address', (p) => oddAtomic(p), WcStatus.REM_INV_REQ_ERR, EventType.QP_REQ_ERR],
  ];
  function write({ a, b, qa }: Pair, o: { rkey?: number; at?: number; access?: number }): void {
    const from = a.regMr(64);
    const to = b.regMr(4096, o.access ?? ALL_ACCESS);
    const target = { remoteAddr: to.iova + (o.at ?? 0), rkey: o.rkey ?? to.rkey };
    a.send(qa, { opcode: WrOpcode.RDMA_WRITE, sge: [sge(from, 0, 64)], ...target });
  }
  function tooLong({ a, b, qa, qb }: Pair): void {
    b.recv(qb, { sge: [sge(b.regMr(4096), 0, 63)] });
    a.send(qa, { opcode: WrOpcode.SEND, sge: [sge(a.regMr(64), 0, 64)] });
  }
  function oddAtomic({ a, b, qa }: Pair): void {
    const to = b.regMr(64);
    const target = { remoteAddr: to.iova + 4, rkey: to.rkey };
    a.send(qa, { opcode: WrOpcode.ATOMIC_FETCH_AND_ADD, compareAdd: 1n, sge: [sge(a.regMr(8), 0, 8)], ...target });
  }
  for (const [what, act, status, event] of remote) {
    it(`${what}: both queue pairs end in error, the rest is flushed`, () => {
      const p = pair();
      const { f, a, b, qa, qb } = p;
      act(p);
      b.recv(qb, { wrId: 77, sge: [] });
      a.send(qa, { wrId: 88, opcode: WrOpcode.SEND });
      f.run();
      assert.deepEqual(statuses(a.poll(qa.sendCq)), [status, WcStatus.WR_FLUSH_ERR]);
      assert.equal(b.poll(qb.recvCq).at(-1)?.status, WcStatus.WR_FLUSH_ERR);
      assert.deepEqual([qa.state, qb.state], [QpState.ERR, QpState.ERR]);
      const errors = b.events.filter((e) => e.object === qb && e.type !== EventType.COMM_EST);
      assert.deepEqual(
        errors.map((e) => e.type),
        event === null ? [] : [event],
      );
      // What is posted to a queue pair in error is flushed at once.
      b.recv(qb, { wrId: 1, sge: [] });
      a.send(qa, { wrId: 2, opcode: WrOpcode.SEND });
      assert.deepEqual(statuses(a.poll(qa.sendCq)), [WcStatus.WR_FLUSH_ERR]);
      assert.deepEqual(statuses(b.poll(qb.recvCq)), [WcStatus.WR_FLUSH_ERR]);
      f.close();
    });
  }

  it('LOC_PROT_ERR for memory it may not read or write, after what precedes it has completed', () => {
    const { f, a, b, qa, qb } = pair();
    const from = a.regMr(64);
    b.recv(qb, { sge: [sge(b.regMr(64), 0, 64)] });
    a.send(qa, { wrId: 1, opcode: WrOpcode.SEND, sge: [sge(from, 0, 64)] });
    a.send(qa, { wrId: 2, opcode: WrOpcode.SEND, sge: [{ ...sge(from, 0, 64), lkey: 1 }] });
    a.send(qa, { wrId: 3, opcode: WrOpcode.SEND, sge: [sge(from, 0, 64)] });
    f.run();
    const { LOC_PROT_ERR, WR_FLUSH_ERR } = WcStatus;
    assert.deepEqual(
      a.poll(qa.sendCq).map((wc) => [wc.wrId, wc.status]),
      [
        [1, SUCCESS],
        [2, LOC_PROT_ERR],
        [3, WR_FLUSH_ERR],
      ],
    );
    f.close();
  });

  it('LOC_PROT_ERR at a receiver whose buffer may not be written; REM_OP_ERR at the sender', () => {
    const { f, a, b, qa, qb } = pair();
    const to = b.regMr(64, Access.REMOTE_READ);
    b.recv(qb, { sge: [sge(to, 0, 64)] });
    a.send(qa, { opcode: WrOpcode.SEND, sge: [sge(a.regMr(64), 0, 64)] });
    f.run();
    assert.deepEqual(statuses(a.poll(qa.sendCq)), [WcStatus.REM_OP_ERR]);
    assert.deepEqual(statuses(b.poll(qb.recvCq)), [WcStatus.LOC_PROT_ERR]);
    f.close();
  });

  it('RETRY_EXC_ERR when the peer is gone, after retryCnt retransmissions', () => {
    const { f, a, b, qa } = pair({ retryCnt: 3, timeout: 5 });
    f.sim.partition(a.link, b.link);
    a.send(qa, { opcode: WrOpcode.SEND });
    f.run();
    assert.deepEqual(statuses(a.poll(qa.sendCq)), [WcStatus.RETRY_EXC_ERR]);
    assert.equal(a.rxe.engine.counters.sent_pkts, 4);
    f.close();
  });

  for (const rnrRetry of [0, 2]) {
    it(`RNR_RETRY_EXC_ERR after ${rnrRetry} retries without a receive request`, () => {
      const { f, a, qa } = pair({ rnrRetry });
      a.send(qa, { opcode: WrOpcode.SEND });
      f.run();
      assert.deepEqual(statuses(a.poll(qa.sendCq)), [WcStatus.RNR_RETRY_EXC_ERR]);
      assert.equal(a.rxe.engine.counters.rcvd_rnr_err, rnrRetry + 1);
      f.close();
    });
  }

  it('waits for a receive request for ever with rnrRetry 7 (RNR NAK, timer 0.01 ms)', () => {
    const { f, a, b, qa, qb } = pair({ rnrRetry: 7 });
    const from = a.regMr(fill(Buffer.alloc(5000)));
    const to = b.regMr(5000);
    a.send(qa, { opcode: WrOpcode.SEND, sge: [sge(from, 0, 5000)] });
    f.run(1000);
    assert.equal(a.poll(qa.sendCq).length, 0);
    b.recv(qb, { sge: [sge(to, 0, 5000)] });
    f.run();
    assert.deepEqual(statuses(a.poll(qa.sendCq)), [SUCCESS]);
    assert.ok(to.bytes.equals(from.bytes));
    f.close();
  });

  it('CQ overrun: CQ_ERR, and its queue pairs fail (C11-37, C9-218)', () => {
    const f = new Fabric();
    const a = f.node();
    const b = f.node();
    const cq = a.createCq(4);
    const qa = a.createQp(undefined, cq);
    const qb = b.createQp();
    connect(a, qa, b, qb);
    const to = b.regMr(64);
    const from = a.regMr(64);
    for (let i = 0; i <= cq.cqe; i++) {
      a.send(qa, { opcode: WrOpcode.RDMA_WRITE, sge: [sge(from, 0, 8)], remoteAddr: to.iova, rkey: to.rkey });
    }
    f.run();
    assert.ok(a.events.some((e) => e.type === EventType.CQ_ERR && e.object === cq));
    assert.equal(qa.state, QpState.ERR);
    f.close();
  });

  it('SQD: what has begun is finished, nothing new begins, SQ_DRAINED is raised', () => {
    const { f, a, b, qa } = pair();
    const from = a.regMr(1 << 19);
    const to = b.regMr(1 << 19);
    const write = { opcode: WrOpcode.RDMA_WRITE, sge: [sge(from, 0, 1 << 19)], remoteAddr: to.iova, rkey: to.rkey };
    a.send(qa, { ...write, wrId: 1 });
    a.modify(qa, { state: QpState.SQD, enSqdAsyncNotify: true }, QpAttrMask.STATE | QpAttrMask.EN_SQD_ASYNC_NOTIFY);
    a.send(qa, { ...write, wrId: 2 });
    f.run();
    assert.deepEqual(
      a.poll(qa.sendCq).map((wc) => wc.wrId),
      [1],
    );
    assert.ok(a.events.some((e) => e.type === EventType.SQ_DRAINED));
    a.modify(qa, { state: QpState.RTS }, QpAttrMask.STATE);
    f.run();
    assert.deepEqual(
      a.poll(qa.sendCq).map((wc) => wc.wrId),
      [2],
    );
    f.close();
  });

  it('RESET forgets; a queue pair that was in error works again', () => {
    const { f, a, b, qa, qb } = pair();
    a.send(qa, { opcode: WrOpcode.RDMA_WRITE, sge: [sge(a.regMr(8), 0, 8)], remoteAddr: 0, rkey: 1 });
    f.run();
    a.poll(qa.sendCq);
    for (const [node, qp] of [
      [a, qa],
      [b, qb],
    ] as const)
      node.modify(qp, { state: QpState.RESET }, QpAttrMask.STATE);
    connect(a, qa, b, qb);
    b.recv(qb, { sge: [sge(b.regMr(8), 0, 8)] });
    a.send(qa, { opcode: WrOpcode.SEND, sge: [sge(a.regMr(8), 0, 8)] });
    f.run();
    assert.deepEqual(statuses(a.poll(qa.sendCq)), [SUCCESS]);
    f.close();
  });
});

describe('RC recovery', () => {
  it('still repeats what precedes a request that failed here', () => {
    const f = new Fabric({ seed: 3, loss: 0.3 });
    const [a, b] = [f.node(), f.node()];
    const [qa, qb] = [a.createQp(), b.createQp()];
    connect(a, qa, b, qb);
    const from = a.regMr(fill(Buffer.alloc(20_000)));
    const to = b.regMr(20_000);
    const write = { opcode: WrOpcode.RDMA_WRITE, remoteAddr: to.iova, rkey: to.rkey };
    a.send(qa, { ...write, wrId: 1, sge: [sge(from, 0, 20_000)] });
    a.send(qa, { ...write, wrId: 2, sge: [{ ...sge(from, 0, 64), lkey: 1 }] });
    a.send(qa, { ...write, wrId: 3, sge: [sge(from, 0, 64)] });
    f.run();
    const { LOC_PROT_ERR, WR_FLUSH_ERR } = WcStatus;
    const got = a.poll(qa.sendCq).map((wc) => [wc.wrId, wc.status]);
    assert.deepEqual(got, [
      [1, SUCCESS],
      [2, LOC_PROT_ERR],
      [3, WR_FLUSH_ERR],
    ]);
    assert.ok(a.rxe.engine.counters.retransmitted_pkts > 0);
    assert.ok(to.bytes.equals(from.bytes));
    f.close();
  });

  it('acknowledges duplicates although a stray packet from the future was refused', () => {
    const f = new Fabric();
    const [a, b] = [f.node(), f.node()];
    const [qa, qb] = [a.createQp(), b.createQp()];
    connect(a, qa, b, qb, { retryCnt: 2 });
    for (let i = 0; i < 2; i++) b.recv(qb, { sge: [] });
    a.send(qa, { opcode: WrOpcode.SEND });
    f.run();
    qb.nakSent = true;
    // The acknowledgement is lost, and the request repeated.
    f.sim.setPath(b.link, a.link, { loss: 1 });
    a.send(qa, { opcode: WrOpcode.SEND });
    f.run(1200);
    qb.nakSent = true;
    f.sim.setPath(b.link, a.link, { loss: 0 });
    f.run();
    assert.deepEqual(statuses(a.poll(qa.sendCq)), [SUCCESS, SUCCESS]);
    f.close();
  });
});
