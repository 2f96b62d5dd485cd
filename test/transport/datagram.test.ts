// Unreliable connections and datagrams, shared receive queues, multicast.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  EventType,
  QpAttrMask,
  QpState,
  QpType,
  SrqAttrMask,
  WcFlags,
  WcOpcode,
  WcStatus,
  WrOpcode,
} from '../../src/core/constants.ts';
import { gidFromAddress, gidFromText } from '../../src/core/gid-text.ts';
import * as verbs from '../../src/core/verbs.ts';
import { activateUd, addressVector, connect, Fabric, fill, type Node, sge } from './fabric.ts';

const { SUCCESS } = WcStatus;
const QKEY = 0x11111111;

describe('UC', () => {
  it('SEND and WRITE, with and without immediate data, over several packets', () => {
    const f = new Fabric();
    const [a, b] = [f.node(), f.node()];
    const [qa, qb] = [a.createQp(QpType.UC), b.createQp(QpType.UC)];
    connect(a, qa, b, qb);
    const from = a.regMr(fill(Buffer.alloc(10_000)));
    const to = b.regMr(30_000);
    for (let i = 0; i < 3; i++) b.recv(qb, { wrId: i, sge: [sge(to, 0, 10_000)] });
    const remote = { remoteAddr: to.iova + 20_000, rkey: to.rkey };
    a.send(qa, { opcode: WrOpcode.SEND_WITH_IMM, imm: 7, sge: [sge(from, 0, 10_000)] });
    a.send(qa, { opcode: WrOpcode.RDMA_WRITE, sge: [sge(from, 0, 9000)], ...remote });
    a.send(qa, { opcode: WrOpcode.RDMA_WRITE_WITH_IMM, imm: 8, sge: [sge(from, 0, 10_000)], ...remote });
    f.run();
    assert.deepEqual(
      a.poll(qa.sendCq).map((wc) => wc.status),
      [SUCCESS, SUCCESS, SUCCESS],
    );
    assert.deepEqual(
      b.poll(qb.recvCq).map((wc) => [wc.wrId, wc.opcode, wc.byteLen, wc.imm]),
      [
        [0, WcOpcode.RECV, 10_000, 7],
        [1, WcOpcode.RECV_RDMA_WITH_IMM, 10_000, 8],
      ],
    );
    assert.ok(to.bytes.subarray(0, 10_000).equals(from.bytes));
    assert.ok(to.bytes.subarray(20_000).equals(from.bytes));
    f.close();
  });

  it('drops a message with a hole and receives the next one in the same buffer', () => {
    const f = new Fabric({ seed: 5, loss: 0.1 });
    const [a, b] = [f.node(), f.node()];
    const [qa, qb] = [a.createQp(QpType.UC), b.createQp(QpType.UC)];
    connect(a, qa, b, qb);
    const from = a.regMr(4096);
    const to = b.regMr(64 * 4096);
    for (let i = 0; i < 60; i++) b.recv(qb, { wrId: i, sge: [sge(to, i * 4096, 4096)] });
    const sent: Buffer[] = [];
    for (let i = 0; i < 60; i++) {
      fill(from.bytes, i + 1);
      sent.push(Buffer.from(from.bytes));
      a.send(qa, { opcode: WrOpcode.SEND_WITH_IMM, imm: i, sge: [sge(from, 0, 4096)] });
      f.run(100);
    }
    f.run();
    const got = b.poll(qb.recvCq);
    assert.ok(got.length > 10 && got.length < 60, `${got.length} of 60`);
    for (const wc of got) {
      assert.equal(wc.status, SUCCESS);
      assert.ok(to.bytes.subarray(wc.wrId * 4096, wc.wrId * 4096 + 4096).equals(sent[wc.imm]), `message ${wc.imm}`);
    }
    assert.deepEqual(
      got.map((wc) => wc.wrId),
      got.map((_, i) => i),
      'no receive request is skipped',
    );
    f.close();
  });

  it('refuses what UC has not: LOC_QP_OP_ERR, and the queue pair is in SQE', () => {
    const f = new Fabric();
    const [a, b] = [f.node(), f.node()];
    const [qa, qb] = [a.createQp(QpType.UC), b.createQp(QpType.UC)];
    connect(a, qa, b, qb);
    a.send(qa, { opcode: WrOpcode.RDMA_READ, sge: [sge(a.regMr(8), 0, 8)] });
    f.run();
    assert.deepEqual(
      a.poll(qa.sendCq).map((wc) => wc.status),
      [WcStatus.LOC_QP_OP_ERR],
    );
    assert.equal(qa.state, QpState.SQE);
    a.modify(qa, { state: QpState.RTS }, QpAttrMask.STATE);
    b.recv(qb, { sge: [] });
    a.send(qa, { opcode: WrOpcode.SEND });
    f.run();
    assert.deepEqual(
      b.poll(qb.recvCq).map((wc) => wc.status),
      [SUCCESS],
    );
    f.close();
  });
});

describe('UD', () => {
  function ud(): { f: Fabric; a: Node; b: Node } {
    const f = new Fabric();
    return { f, a: f.node({}, '10.1.0.1'), b: f.node({}, '10.1.0.2') };
  }

  it('carries the sender and a GRH with the IPv4 header, valid to libibverbs, in its last 20 bytes', () => {
    const { f, a, b } = ud();
    const [qa, qb] = [a.createQp(QpType.UD), b.createQp(QpType.UD)];
    activateUd(a, qa);
    activateUd(b, qb);
    const from = a.regMr(fill(Buffer.alloc(777)));
    const to = b.regMr(2048);
    const ah = verbs.createAh(a.pd, addressVector(b)!);
    b.recv(qb, { wrId: 4, sge: [sge(to, 0, 2048)] });
    const remote = { ah, remoteQpn: qb.qpn, remoteQkey: QKEY };
    a.send(qa, { opcode: WrOpcode.SEND_WITH_IMM, imm: 99, sge: [sge(from, 0, 777)], ...remote });
    f.run();
    const [wc] = b.poll(qb.recvCq);
    assert.deepEqual([wc.status, wc.byteLen, wc.imm, wc.srcQp], [SUCCESS, 817, 99, qa.qpn]);
    assert.equal(wc.flags, WcFlags.GRH | WcFlags.WITH_IMM);
    assert.ok(to.bytes.subarray(40, 817).equals(from.bytes));
    const ip = to.bytes.subarray(20, 40);
    assert.equal(ip[0], 0x45);
    assert.deepEqual([...ip.subarray(12, 20)], [10, 1, 0, 1, 10, 1, 0, 2]);
    let sum = 0;
    for (let i = 0; i < 20; i += 2) sum += ip.readUInt16BE(i);
    assert.equal((sum & 0xffff) + (sum >>> 16), 0xffff, 'the checksum holds');
    f.close();
  });

  it('drops a wrong Q_Key, a datagram without a receive request, and one too long for its buffer (C9-205, C10-93.1.1)', () => {
    const { f, a, b } = ud();
    const [qa, qb] = [a.createQp(QpType.UD), b.createQp(QpType.UD)];
    activateUd(a, qa);
    activateUd(b, qb);
    const from = a.regMr(8192);
    const ah = verbs.createAh(a.pd, addressVector(b)!);
    const to = { ah, remoteQpn: qb.qpn };
    a.send(qa, { opcode: WrOpcode.SEND, sge: [sge(from, 0, 8)], ...to, remoteQkey: QKEY });
    f.run();
    b.recv(qb, { sge: [sge(b.regMr(100), 0, 100)] });
    a.send(qa, { opcode: WrOpcode.SEND, sge: [sge(from, 0, 8)], ...to, remoteQkey: 5 });
    f.run();
    assert.deepEqual(
      a.poll(qa.sendCq).map((wc) => wc.status),
      [SUCCESS, SUCCESS],
    );
    assert.equal(b.poll(qb.recvCq).length, 0);
    assert.equal(b.rxe.engine.counters.bad_qkey, 1);
    // Too long for the path: nothing is sent, and that is no error. Too long for the buffer: dropped, and the next one fits.
    a.send(qa, { opcode: WrOpcode.SEND, sge: [sge(from, 0, 4097)], ...to, remoteQkey: QKEY });
    a.send(qa, { opcode: WrOpcode.SEND, sge: [sge(from, 0, 61)], ...to, remoteQkey: QKEY });
    a.send(qa, { opcode: WrOpcode.SEND, sge: [sge(from, 0, 60)], ...to, remoteQkey: QKEY });
    f.run();
    assert.deepEqual(
      a.poll(qa.sendCq).map((wc) => wc.status),
      [SUCCESS, SUCCESS, SUCCESS],
    );
    assert.equal(b.rxe.engine.counters.rcvd_pkts, 4);
    assert.deepEqual(
      b.poll(qb.recvCq).map((wc) => [wc.status, wc.byteLen]),
      [[SUCCESS, 100]],
    );
    f.close();
  });

  for (const group of ['239.1.2.3', 'ff15::77']) {
    it(`multicast to ${group} reaches every queue pair attached, on this device and on others`, () => {
      const f = new Fabric();
      const v4 = group.includes('.');
      const nodes = [1, 2, 3].map((n) => f.node({}, v4 ? `10.1.0.${n}` : `fd00::${n}`));
      const address = v4 ? Uint8Array.from(group.split('.').map(Number)) : null;
      const gid = address === null ? gidFromText(group) : gidFromAddress(address);
      const qps = nodes.map((node) => node.createQp(QpType.UD));
      nodes.forEach((node, i) => {
        activateUd(node, qps[i]);
        node.recv(qps[i], { sge: [sge(node.regMr(100), 0, 100)] });
        if (i < 2) verbs.attachMcast(qps[i], gid);
      });
      const ah = verbs.createAh(nodes[2].pd, { ...addressVector(nodes[0])!, dgid: gid });
      const message = { ah, remoteQpn: 0xffffff, remoteQkey: QKEY };
      nodes[2].send(qps[2], { opcode: WrOpcode.SEND, sge: [sge(nodes[2].regMr(8), 0, 8)], ...message });
      f.run();
      assert.deepEqual(
        nodes.map((node, i) => node.poll(qps[i].recvCq).filter((wc) => wc.opcode === WcOpcode.RECV).length),
        [1, 1, 0],
      );
      verbs.detachMcast(qps[0], gid);
      verbs.detachMcast(qps[1], gid);
      f.close();
    });
  }
});

describe('SRQ', () => {
  it('serves several queue pairs, raises its limit event once, and says Last WQE Reached', () => {
    const f = new Fabric();
    const [a, b] = [f.node(), f.node()];
    const srq = verbs.createSrq(b.pd, { maxWr: 32, maxSge: 1, limit: 0 });
    const to = b.regMr(32 * 64);
    for (let i = 0; i < 10; i++) b.recv(srq, { wrId: i, sge: [sge(to, i * 64, 64)] });
    verbs.modifySrq(srq, { limit: 8 }, SrqAttrMask.LIMIT);
    const cq = b.createCq();
    const from = a.regMr(fill(Buffer.alloc(64)));
    const qps = [1, 2, 3].map(() => {
      const [qa, qb] = [a.createQp(), b.createQp(QpType.RC, cq, {}, srq)];
      connect(a, qa, b, qb);
      return { qa, qb };
    });
    for (const { qa } of qps) a.send(qa, { opcode: WrOpcode.SEND, sge: [sge(from, 0, 64)] });
    f.run();
    const got = b.poll(cq);
    assert.deepEqual(
      got.map((wc) => [wc.status, wc.wrId]),
      [
        [SUCCESS, 0],
        [SUCCESS, 1],
        [SUCCESS, 2],
      ],
    );
    assert.deepEqual(new Set(got.map((wc) => wc.qpn)), new Set(qps.map(({ qb }) => qb.qpn)));
    assert.equal(b.events.filter((e) => e.type === EventType.SRQ_LIMIT_REACHED && e.object === srq).length, 1);
    assert.equal(verbs.querySrq(srq).limit, 0);
    b.modify(qps[0].qb, { state: QpState.ERR }, QpAttrMask.STATE);
    assert.ok(b.events.some((e) => e.type === EventType.QP_LAST_WQE_REACHED && e.object === qps[0].qb));
    assert.equal(b.poll(cq).length, 0, 'what waits in the SRQ is not flushed');
    f.close();
  });
});
