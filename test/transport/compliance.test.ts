// Statements of the IBTA specification that are quoted in public, each proved by what goes over the wire and what completes.
// docs/compliance.md lists them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  Access,
  EventType,
  MwType,
  QpAttrMask,
  QpState,
  QpType,
  SendFlags,
  WcStatus,
  WrOpcode,
} from '../../src/core/constants.ts';
import { gidFromText } from '../../src/core/gid-text.ts';
import * as verbs from '../../src/core/verbs.ts';
import type { SoftQp } from '../../src/transport/qp.ts';
import { aethMsn, aethSyndrome, NAK_INV_REQ } from '../../src/wire/aeth.ts';
import { bthOpcode, bthPsn, writeBth } from '../../src/wire/bth.ts';
import {
  opcodeAethOff,
  opcodeHeaderLen,
  RC_ACKNOWLEDGE,
  RC_READ_REQUEST,
  RC_SEND_FIRST,
  RC_SEND_ONLY,
  RC_WRITE_ONLY,
} from '../../src/wire/opcodes.ts';
import { writeReth } from '../../src/wire/reth.ts';
import { tap } from '../model/tap.ts';
import { ALL_ACCESS, activateUd, addressVector, connect, Fabric, type Node, sge } from './fabric.ts';

const { SUCCESS } = WcStatus;
const FIRST_PSN = 0xfffff0;
/** IBTA table "RNR NAK timer field encoding", in microseconds, as <infiniband/verbs.h> and ibv_modify_qp(3) number them. */
const RNR_TIMER_US: readonly number[] = [
  ...[655360, 10, 20, 30, 40, 60, 80, 120, 160, 240, 320, 480, 640, 960, 1280, 1920],
  ...[2560, 3840, 5120, 7680, 10240, 15360, 20480, 30720, 40960, 61440, 81920, 122880, 163840, 245760, 327680, 491520],
];

interface Seen {
  readonly from: Node;
  readonly opcode: number;
  readonly psn: number;
  readonly syndrome: number;
  readonly msn: number;
  readonly at: number;
}

/** Two connected queue pairs, and all that goes over the wire. */
function wire(attr: Parameters<typeof connect>[4] = {}): {
  f: Fabric;
  a: Node;
  b: Node;
  qa: SoftQp;
  qb: SoftQp;
  seen: Seen[];
} {
  const f = new Fabric();
  const [a, b] = [f.node(), f.node()];
  const [qa, qb] = [a.createQp(), b.createQp()];
  connect(a, qa, b, qb, attr);
  const seen: Seen[] = [];
  tap(f.sim, (from, { buf }) => {
    const opcode = bthOpcode(buf, 0);
    const aeth = opcodeAethOff[opcode];
    seen.push({
      from: from === a.link ? a : b,
      opcode,
      psn: bthPsn(buf, 0),
      syndrome: aeth === 0 ? -1 : aethSyndrome(buf, aeth),
      msn: aeth === 0 ? -1 : aethMsn(buf, aeth),
      at: f.sim.now,
    });
  });
  return { f, a, b, qa, qb, seen };
}

/** Puts a packet on the wire that `from` would not send itself; with the ICRC it needs. */
function inject(from: Node, to: Node, packet: Buffer): void {
  const { port } = from.rxe;
  const at = port.begin(port.pathTo(addressVector(to)!), packet.length);
  packet.copy(port.buf, at);
  port.end();
  port.flush();
}

function request(opcode: number, qp: SoftQp, psn: number, payload = 0, pkey = 0xffff): Buffer {
  const packet = Buffer.alloc(opcodeHeaderLen[opcode] + payload);
  writeBth(packet, 0, opcode, 0x40, pkey, qp.qpn, true, psn & 0xffffff);
  return packet;
}

const answersOf = (seen: Seen[], node: Node): Seen[] => seen.filter((s) => s.from === node && s.syndrome >= 0);

describe('packets', () => {
  it('C9-6: reserved bits of the BTH are ignored', () => {
    const { f, a, b, qa, qb, seen } = wire();
    b.recv(qb, { wrId: 1 });
    const packet = request(RC_SEND_ONLY, qb, FIRST_PSN);
    packet[4] = 0x3f;
    packet[8] |= 0x7f;
    inject(a, b, packet);
    f.run();
    assert.deepEqual(
      b.poll(qb.recvCq).map((wc) => wc.status),
      [SUCCESS],
    );
    assert.equal(answersOf(seen, b).length, 1);
    assert.equal(qa.state, QpState.RTS);
    f.close();
  });

  it('C9-43: a packet with another P_Key is dropped', () => {
    const { f, a, b, qb, seen } = wire();
    b.recv(qb, { wrId: 1 });
    inject(a, b, request(RC_SEND_ONLY, qb, FIRST_PSN, 0, 0x8001));
    f.run();
    assert.equal(b.poll(qb.recvCq).length, 0);
    assert.equal(answersOf(seen, b).length, 0);
    assert.equal(b.rxe.engine.counters.bad_pkey, 1);
    f.close();
  });

  it('C9-88: a READ or WRITE of length 0 with a key that means nothing succeeds', () => {
    const { f, a, qa } = wire();
    for (const opcode of [WrOpcode.RDMA_WRITE, WrOpcode.RDMA_READ])
      a.send(qa, { opcode, remoteAddr: 123, rkey: 0xdead });
    f.run();
    assert.deepEqual(
      a.poll(qa.sendCq).map((wc) => wc.status),
      [SUCCESS, SUCCESS],
    );
    f.close();
  });

  for (const [what, opcode, payload] of [
    ['a first packet that is not full', RC_SEND_FIRST, 1020],
    ['an only packet longer than the MTU', RC_SEND_ONLY, 1028],
  ] as const) {
    it(`C9-92: ${what} is an invalid request`, () => {
      const { f, a, b, qb, seen } = wire();
      b.recv(qb, { sge: [sge(b.regMr(4096), 0, 4096)] });
      inject(a, b, request(opcode, qb, FIRST_PSN, payload));
      f.run();
      assert.deepEqual(
        answersOf(seen, b).map((s) => s.syndrome),
        [NAK_INV_REQ],
      );
      f.close();
    });
  }

  it('C9-94: a RETH of more than 2^31 bytes is an invalid request', () => {
    for (const opcode of [RC_READ_REQUEST, RC_WRITE_ONLY]) {
      const { f, a, b, qb, seen } = wire();
      const mr = b.regMr(64);
      const packet = request(opcode, qb, FIRST_PSN);
      writeReth(packet, 12, mr.iova, mr.rkey, 0x80000001);
      inject(a, b, packet);
      f.run();
      assert.deepEqual(
        answersOf(seen, b).map((s) => s.syndrome),
        [NAK_INV_REQ],
      );
      f.close();
    }
  });

  it('C9-105, C9-148: a duplicate SEND is acknowledged again, with the newest PSN, and not counted', () => {
    const { f, a, b, qa, qb, seen } = wire();
    for (let i = 0; i < 2; i++) b.recv(qb, {});
    for (let i = 0; i < 2; i++) a.send(qa, { opcode: WrOpcode.SEND });
    f.run();
    seen.length = 0;
    inject(a, b, request(RC_SEND_ONLY, qb, FIRST_PSN));
    f.run();
    assert.deepEqual(
      answersOf(seen, b).map(({ psn, syndrome, msn }) => [psn, syndrome, msn]),
      [[FIRST_PSN + 1, 0x1f, 2]],
    );
    assert.equal(b.poll(qb.recvCq).length, 2);
    f.close();
  });

  it('C9-110: duplicate READs that wait are answered in the order of their PSNs', () => {
    const { f, a, b, qa, qb, seen } = wire();
    const [to, from] = [a.regMr(64), b.regMr(64)];
    for (let i = 0; i < 3; i++) {
      a.send(qa, { opcode: WrOpcode.RDMA_READ, sge: [sge(to, 0, 8)], remoteAddr: from.iova, rkey: from.rkey });
    }
    f.run();
    seen.length = 0;
    for (const i of [2, 0, 1]) {
      const packet = request(RC_READ_REQUEST, qb, FIRST_PSN + i);
      writeReth(packet, 12, from.iova, from.rkey, 8);
      inject(a, b, packet);
    }
    f.run();
    assert.deepEqual(
      answersOf(seen, b).map((s) => s.psn),
      [FIRST_PSN, FIRST_PSN + 1, FIRST_PSN + 2],
    );
    f.close();
  });

  for (const timeout of [1, 5, 14]) {
    it(`C9-139, C9-140: without an answer a request is repeated after 4.096 µs · 2^${timeout}`, () => {
      const { f, a, b, qa, seen } = wire({ timeout, retryCnt: 2 });
      f.sim.partition(a.link, b.link);
      a.send(qa, { opcode: WrOpcode.SEND });
      f.run();
      const times = seen.filter((s) => s.opcode === RC_SEND_ONLY).map((s) => s.at);
      assert.equal(times.length, 3);
      for (let i = 1; i < 3; i++) {
        const waited = times[i] - times[i - 1];
        const asked = 4.096 * 2 ** timeout;
        assert.ok(waited >= asked - 0.001 && waited < asked + 2, `${waited} µs`);
      }
      f.close();
    });
  }

  it('C9-140: with timeout 0 it waits for ever', () => {
    const { f, a, b, qa, seen } = wire({ timeout: 0 });
    f.sim.partition(a.link, b.link);
    a.send(qa, { opcode: WrOpcode.SEND });
    f.run(100_000_000);
    assert.equal(seen.length, 1);
    f.close();
  });

  it('a request met by RNR NAK is repeated after the time its timer code stands for, each of the 32', () => {
    for (let code = 0; code < 32; code++) {
      const { f, a, b, qa, qb, seen } = wire({ minRnrTimer: code, timeout: 0 });
      a.send(qa, { opcode: WrOpcode.SEND });
      f.run(RNR_TIMER_US[code] / 2);
      b.recv(qb, {});
      f.run();
      assert.deepEqual(
        a.poll(qa.sendCq).map((wc) => wc.status),
        [SUCCESS],
      );
      const nak = answersOf(seen, b)[0];
      assert.equal(nak.syndrome, 0x20 | code);
      const [, again] = seen.filter((s) => s.opcode === RC_SEND_ONLY);
      const waited = again.at - nak.at;
      // The NAK takes 2 µs to arrive.
      assert.ok(waited >= RNR_TIMER_US[code] && waited < RNR_TIMER_US[code] + 5, `code ${code}: ${waited} µs`);
      f.close();
    }
  });

  it('C9-148: a READ counts in the MSN when it is asked, a WRITE of several packets when its last has come', () => {
    const { f, a, b, qa, seen } = wire();
    const [from, to] = [a.regMr(4096), b.regMr(4096)];
    const there = { sge: [sge(from, 0, 2500)], remoteAddr: to.iova, rkey: to.rkey };
    a.send(qa, { opcode: WrOpcode.RDMA_WRITE, ...there });
    a.send(qa, { opcode: WrOpcode.RDMA_READ, ...there });
    f.run();
    const msns = new Map(answersOf(seen, b).map((s) => [s.psn, s.msn]));
    assert.equal(msns.get((FIRST_PSN + 3) & 0xffffff), 2, 'first READ response');
    const write = answersOf(seen, b).find((s) => s.opcode === RC_ACKNOWLEDGE && s.psn === FIRST_PSN + 2);
    if (write !== undefined) assert.ok(write.msn >= 1);
    f.close();
  });

  it('C9-220: after an error both queues are flushed, and what is posted later', () => {
    const { f, a, b, qa, qb } = wire();
    b.recv(qb, { wrId: 1 });
    b.recv(qb, { wrId: 2 });
    a.send(qa, { wrId: 1, opcode: WrOpcode.RDMA_READ, sge: [sge(a.regMr(8), 0, 8)], remoteAddr: 0, rkey: 1 });
    a.send(qa, { wrId: 2, opcode: WrOpcode.SEND });
    f.run();
    const { WR_FLUSH_ERR, REM_ACCESS_ERR } = WcStatus;
    assert.deepEqual(
      a.poll(qa.sendCq).map((wc) => wc.status),
      [REM_ACCESS_ERR, WR_FLUSH_ERR],
    );
    assert.deepEqual(
      b.poll(qb.recvCq).map((wc) => wc.status),
      [WR_FLUSH_ERR, WR_FLUSH_ERR],
    );
    b.recv(qb, { wrId: 3 });
    assert.deepEqual(
      b.poll(qb.recvCq).map((wc) => [wc.wrId, wc.status]),
      [[3, WR_FLUSH_ERR]],
    );
    f.close();
  });

  it('C10-87: a WRITE without immediate data takes no receive request, one that fails neither', () => {
    const { f, a, b, qa, qb } = wire();
    b.recv(qb, { wrId: 1 });
    const from = a.regMr(8);
    const to = b.regMr(8);
    a.send(qa, { opcode: WrOpcode.RDMA_WRITE, sge: [sge(from, 0, 8)], remoteAddr: to.iova, rkey: to.rkey });
    f.run();
    assert.equal(qb.rq?.count, 1);
    a.send(qa, { opcode: WrOpcode.RDMA_WRITE_WITH_IMM, sge: [sge(from, 0, 8)], remoteAddr: to.iova, rkey: 1 });
    f.run();
    assert.deepEqual(
      b.poll(qb.recvCq).map((wc) => wc.status),
      [WcStatus.WR_FLUSH_ERR],
    );
    f.close();
  });
});

describe('objects', () => {
  it('C10-20: a new QP is in RESET; C10-97.2.1: nothing can be posted to its receive queue before INIT', () => {
    const f = new Fabric();
    const a = f.node();
    const qp = a.createQp();
    assert.equal(qp.state, QpState.RESET);
    assert.throws(() => a.recv(qp, {}), { code: 'EINVAL' });
    a.modify(
      qp,
      { state: QpState.INIT, pkeyIndex: 0, port: 1, accessFlags: 0 },
      1 | QpAttrMask.PKEY_INDEX | QpAttrMask.PORT | QpAttrMask.ACCESS_FLAGS,
    );
    a.recv(qp, {});
    f.close();
  });

  it('C10-10: a UD send with an address handle of another protection domain fails', () => {
    const f = new Fabric();
    const [a, b] = [f.node(), f.node()];
    const qp = a.createQp(QpType.UD);
    activateUd(a, qp);
    const ah = verbs.createAh(verbs.allocPd(a.context), addressVector(b)!);
    a.send(qp, { opcode: WrOpcode.SEND, ah, remoteQpn: 5, remoteQkey: 1 });
    f.run();
    assert.deepEqual(
      a.poll(qp.sendCq).map((wc) => wc.status),
      [WcStatus.LOC_QP_OP_ERR],
    );
    f.close();
  });

  it('C11-17: a CQ is not destroyed while a QP uses it', () => {
    const f = new Fabric();
    const a = f.node();
    const qp = a.createQp();
    assert.throws(() => verbs.destroyCq(qp.sendCq), { code: 'EBUSY' });
    verbs.destroyQp(qp);
    verbs.destroyCq(qp.sendCq);
    f.close();
  });

  it('o10-2.2.3: a QP in a multicast group is not destroyed', () => {
    const f = new Fabric();
    const a = f.node();
    const qp = a.createQp(QpType.UD);
    const group = gidFromText('ff15::1');
    verbs.attachMcast(qp, group);
    assert.throws(() => verbs.destroyQp(qp), { code: 'EBUSY' });
    verbs.detachMcast(qp, group);
    verbs.destroyQp(qp);
    f.close();
  });

  it('o11-5.2.5: Last WQE Reached is raised when a QP with an SRQ goes to error', () => {
    const f = new Fabric();
    const a = f.node();
    const srq = verbs.createSrq(a.pd, { maxWr: 4, maxSge: 1, limit: 0 });
    const qp = a.createQp(QpType.RC, a.createCq(), {}, srq);
    a.modify(
      qp,
      { state: QpState.INIT, pkeyIndex: 0, port: 1, accessFlags: 0 },
      1 | QpAttrMask.PKEY_INDEX | QpAttrMask.PORT | QpAttrMask.ACCESS_FLAGS,
    );
    a.modify(qp, { state: QpState.ERR }, QpAttrMask.STATE);
    assert.ok(a.events.some((e) => e.type === EventType.QP_LAST_WQE_REACHED && e.object === qp));
    f.close();
  });
});

describe('memory windows', () => {
  interface BindCase {
    readonly type?: number;
    readonly regionAccess?: number;
    readonly bindAccess?: number;
    readonly at?: number;
    readonly length?: number;
    readonly foreign?: 'region' | 'window';
    readonly twice?: boolean;
  }
  function bind(o: BindCase): number {
    const { f, a, qa } = wire();
    const other = verbs.allocPd(a.context);
    const region = o.foreign === 'region' ? regionOf(a, other) : a.regMr(4096, o.regionAccess ?? ALL_ACCESS);
    const mw = verbs.allocMw(o.foreign === 'window' ? other : a.pd, o.type ?? MwType.TYPE_2);
    const post = (length: number): number => {
      a.send(qa, {
        ...{ opcode: WrOpcode.BIND_MW, mw, bindMr: region, bindRkey: verbs.nextKey(mw.rkey), bindLength: length },
        ...{
          bindAddr: region.iova + (o.at ?? 0),
          bindAccess: o.bindAccess ?? Access.REMOTE_READ,
          flags: SendFlags.SIGNALED,
        },
      });
      f.run();
      return a.poll(qa.sendCq)[0].status;
    };
    const first = post(o.length ?? 4096);
    const status = o.twice ? post(4096) : first;
    f.close();
    return status;
  }
  function regionOf(node: Node, pd: Parameters<typeof verbs.regMr>[0]): ReturnType<typeof verbs.regMr> {
    const mr = node.regMr(4096);
    return verbs.regMr(pd, mr.memory, { access: ALL_ACCESS, iova: mr.iova });
  }
  const { MW_BIND_ERR } = WcStatus;
  const CASES: [string, BindCase, number][] = [
    ['a bind that keeps all rules succeeds', {}, SUCCESS],
    ['C10-72: window of another protection domain', { foreign: 'window' }, MW_BIND_ERR],
    ['C10-72: region of another protection domain', { foreign: 'region' }, MW_BIND_ERR],
    ['C10-73: region without MW_BIND', { regionAccess: ALL_ACCESS & ~Access.MW_BIND }, MW_BIND_ERR],
    [
      'C10-74: writable window of a region that is not',
      { regionAccess: Access.MW_BIND, bindAccess: Access.REMOTE_WRITE },
      MW_BIND_ERR,
    ],
    ['C10-75: window that ends behind its region', { at: 1 }, MW_BIND_ERR],
    [
      'o10-36.2.2: zero-based window of type 1',
      { type: MwType.TYPE_1, bindAccess: Access.REMOTE_READ | Access.ZERO_BASED },
      MW_BIND_ERR,
    ],
    ['o10-37.2.30: window of type 2 that is bound already', { twice: true }, MW_BIND_ERR],
    ['a window of type 1 may be bound anew', { type: MwType.TYPE_1, twice: true }, SUCCESS],
    ['o10-37.2.40: window of type 2 with length 0', { length: 0 }, MW_BIND_ERR],
  ];
  for (const [what, o, status] of CASES) {
    it(what, () => {
      assert.equal(bind(o), status);
    });
  }

  it('o10-37.2.13, o10-37.2.26: neither a region registered by a user nor a window of type 1 is invalidated', () => {
    for (const kind of ['region', 'window'] as const) {
      const { f, a, qa } = wire();
      const key = kind === 'region' ? a.regMr(64).rkey : verbs.allocMw(a.pd, MwType.TYPE_1).rkey;
      a.send(qa, { opcode: WrOpcode.LOCAL_INV, imm: key });
      f.run();
      assert.deepEqual(
        a.poll(qa.sendCq).map((wc) => wc.status),
        [WcStatus.LOC_QP_OP_ERR],
      );
      f.close();
    }
  });

  it('C10-68, C10-76.2.1, C10-77: a window bound anew reaches what it is bound to now, with those rights, and its old key nothing', () => {
    const { f, a, b, qa, qb } = wire();
    const region = b.regMr(4096);
    const mw = verbs.allocMw(b.pd, MwType.TYPE_1);
    const [to, keys] = [a.regMr(64), [] as number[]];
    for (const addr of [region.iova, region.iova + 2048]) {
      keys.push(verbs.bindMw(qb, mw, { mr: region, addr, length: 64, access: Access.REMOTE_READ }));
      b.schedule();
      f.run();
    }
    const read = (rkey: number, remoteAddr: number, opcode: number = WrOpcode.RDMA_READ): boolean => {
      a.send(qa, { opcode, sge: [sge(to, 0, 8)], remoteAddr, rkey });
      f.run();
      const { status } = a.poll(qa.sendCq)[0];
      if (status !== SUCCESS) {
        for (const [node, qp] of [
          [a, qa],
          [b, qb],
        ] as const)
          node.modify(qp, { state: QpState.RESET }, QpAttrMask.STATE);
        connect(a, qa, b, qb);
      }
      return status === SUCCESS;
    };
    assert.ok(read(keys[1], region.iova + 2048));
    assert.ok(!read(keys[0], region.iova), 'old key, old range');
    assert.ok(!read(keys[0], region.iova + 2048), 'old key, new range');
    assert.ok(!read(keys[1], region.iova), 'new key, old range');
    assert.ok(!read(keys[1], region.iova + 2048, WrOpcode.RDMA_WRITE), 'a right it was not bound with');
    f.close();
  });
});
