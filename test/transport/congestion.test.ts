// Congestion: who is marked, who is told, who sends less (RoCEv2 annex A17.9); and what comes of it when many hosts share a link.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { QpType, WcStatus, WrOpcode } from '../../src/core/constants.ts';
import * as verbs from '../../src/core/verbs.ts';
import { Pace } from '../../src/transport/pace.ts';
import { bthBecn, bthOpcode, bthQpn } from '../../src/wire/bth.ts';
import { CNP, RC_READ_RESP_MIDDLE } from '../../src/wire/opcodes.ts';
import { type CongestionOptions, congest } from '../model/congestion.ts';
import { tap } from '../model/tap.ts';
import { activateUd, addressVector, connect, Fabric, type Node, sge } from './fabric.ts';

const CE = 3;
const ECT0 = 2;

interface Seen {
  readonly from: Node;
  readonly opcode: number;
  readonly qpn: number;
  readonly tos: number;
  readonly at: number;
}

/** Two nodes; every packet with more than a header is marked on its way once `marking`. */
function pair(type: number = QpType.RC) {
  const f = new Fabric();
  const [a, b] = [f.node(), f.node()];
  const [qa, qb] = [a.createQp(type), b.createQp(type)];
  const seen: Seen[] = [];
  const state = { marking: false };
  tap(f.sim, (link, parcel) => {
    const { buf, tos } = parcel;
    if (bthOpcode(buf, 0) === CNP) {
      assert.equal(parcel.len, 12 + 16 + 4);
      assert.ok(bthBecn(buf, 0));
    }
    seen.push({ from: link === a.link ? a : b, opcode: bthOpcode(buf, 0), qpn: bthQpn(buf, 0), tos, at: f.sim.now });
    if (state.marking && parcel.len > 100 && (tos & 3) !== 0) parcel.tos |= CE;
  });
  return { f, a, b, qa, qb, seen, state };
}
type Pair = ReturnType<typeof pair>;

const SIZE = 256 * 1024;
function transfer({ a, b, qa }: Pair, opcode: number, n = 1): void {
  const [here, there] = [a.regMr(SIZE), b.regMr(SIZE)];
  const at = { remoteAddr: there.iova, rkey: there.rkey, sge: [sge(here, 0, SIZE)] };
  for (let i = 0; i < n; i++) a.send(qa, { opcode, ...at });
}
const notifications = ({ seen }: Pair): Seen[] => seen.filter((s) => s.opcode === CNP);

describe('marks and notifications', () => {
  it('RC and UC packets are ECN-capable whatever the two low bits of the traffic class; UD packets have what was asked for', () => {
    const p = pair();
    const av = { ...addressVector(p.b)!, trafficClass: 0xb9 };
    connect(p.a, p.qa, p.b, p.qb, {});
    const [ua, ub] = [p.a.createQp(QpType.UC), p.b.createQp(QpType.UC)];
    connect(p.a, ua, p.b, ub, {});
    transfer(p, WrOpcode.RDMA_WRITE);
    p.a.send(ua, { opcode: WrOpcode.SEND });
    p.f.run();
    assert.deepEqual(new Set(p.seen.map((s) => s.tos)), new Set([ECT0]));
    p.seen.length = 0;
    const { port } = p.a.rxe;
    const path = port.pathTo(av) as unknown as { flow: { tos: number } };
    assert.equal(path.flow.tos, 0xb8 | ECT0);
    const ud = p.a.createQp(QpType.UD);
    activateUd(p.a, ud);
    const ah = verbs.createAh(p.a.pd, av);
    p.a.send(ud, { opcode: WrOpcode.SEND, ah, remoteQpn: 5, remoteQkey: 1 });
    p.f.run();
    assert.deepEqual(
      p.seen.map((s) => s.tos),
      [0xb9],
    );
    p.f.close();
  });

  it('a receiver of marked packets notifies the sender, at most once in 50 µs for each queue pair', () => {
    for (const [type, opcode] of [
      [QpType.RC, WrOpcode.RDMA_WRITE],
      [QpType.UC, WrOpcode.RDMA_WRITE],
      [QpType.RC, WrOpcode.RDMA_READ],
    ] as const) {
      const p = pair(type);
      p.a.link.bandwidth = p.b.link.bandwidth = 1000;
      connect(p.a, p.qa, p.b, p.qb, {});
      p.state.marking = true;
      transfer(p, opcode, 4);
      p.f.run(100_000);
      const told = notifications(p);
      const reader = opcode === WrOpcode.RDMA_READ;
      assert.ok(told.length >= 3, `${told.length}`);
      assert.ok(told.every((s) => s.from === (reader ? p.a : p.b) && s.qpn === (reader ? p.qb : p.qa).qpn));
      for (let i = 1; i < told.length; i++) assert.ok(told[i].at - told[i - 1].at >= 49);
      const heard = (reader ? p.b : p.a).rxe.engine.counters;
      assert.equal(heard.rp_cnp_handled, told.length);
      p.f.close();
    }
  });

  it('without marks there is none, and a notification for no queue pair is dropped', () => {
    const p = pair();
    connect(p.a, p.qa, p.b, p.qb, {});
    transfer(p, WrOpcode.RDMA_WRITE);
    p.f.run();
    assert.equal(notifications(p).length, 0);
    assert.equal(p.qa.pace, null);
    p.f.close();
  });

  it('who is notified sends less: its window is cut; READ responses and UC have a pace', () => {
    const w = pair();
    connect(w.a, w.qa, w.b, w.qb, {});
    w.state.marking = true;
    transfer(w, WrOpcode.RDMA_WRITE, 4);
    w.f.run();
    assert.ok(w.qa.path!.window.limit < 64 * 1024);
    assert.deepEqual(new Set(w.a.poll(w.qa.sendCq).map((wc) => wc.status)), new Set([WcStatus.SUCCESS]));
    w.f.close();

    const r = pair();
    r.b.link.bandwidth = 1000;
    connect(r.a, r.qa, r.b, r.qb, {});
    r.state.marking = true;
    transfer(r, WrOpcode.RDMA_READ, 8);
    r.f.run(1500);
    assert.ok(r.qb.pace !== null && r.qb.pace.rate < 1000);
    assert.ok(r.qa.path!.reads.limit < 256 * 1024);
    r.state.marking = false;
    r.f.run();
    assert.equal(r.a.poll(r.qa.sendCq).filter((wc) => wc.status === WcStatus.SUCCESS).length, 8);
    assert.ok(r.seen.some((s) => s.opcode === RC_READ_RESP_MIDDLE));
    r.f.close();

    const u = pair(QpType.UC);
    u.a.link.bandwidth = 1000;
    connect(u.a, u.qa, u.b, u.qb, {});
    u.state.marking = true;
    transfer(u, WrOpcode.RDMA_WRITE, 8);
    u.f.run();
    assert.ok(u.qa.pace !== null && u.qa.pace.rate < 1000);
    assert.equal(u.a.poll(u.qa.sendCq).length, 8);
    u.f.close();
  });
});

describe('Pace', () => {
  it('is no limit before the second notification, then about half of what was sent, then recovers with time', () => {
    const pace = new Pace();
    for (let now = 0; now <= 1000; now++) {
      if (now === 100 || now === 200) pace.notified(now);
      if (now <= 200) {
        assert.equal(pace.readyAt(now), now);
        pace.sent(1000, now);
      }
    }
    assert.ok(pace.rate > 450 && pace.rate < 550, `${pace.rate}`);
    const { rate } = pace;
    pace.readyAt(200 + 5 * 55);
    assert.ok(pace.rate > 1.9 * rate && pace.rate < 1000);
    pace.readyAt(200 + 20 * 55);
    assert.ok(pace.rate > 1000);
    pace.readyAt(200 + 1000 * 55);
    assert.equal(pace.rate, Number.POSITIVE_INFINITY);
  });

  it('keeps its rate', () => {
    const pace = new Pace();
    pace.notified(1);
    pace.sent(100_000, 50);
    pace.notified(101);
    let sent = 0;
    for (let now = 101; now < 151; now += 0.5) {
      while (pace.readyAt(now) <= now) {
        pace.sent(1000, now);
        sent += 1000;
      }
    }
    assert.ok(sent >= 500 * 50 && sent < 500 * 50 + 8000, `${sent}`);
  });
});

// 10 Gbit/s links, 256 KiB of queue, figures of 20 ms after the first 5. Bounds are those that hold with room to spare; the
// figures themselves: node test/model/incast.ts --table.
describe('32 hosts and one link', () => {
  const rows: [what: string, options: Partial<CongestionOptions>, goodput: number, fairness: number][] = [
    ['WRITEs, loss only', {}, 0.72, 0.5],
    ['WRITEs, ECN', { ecnBytes: 65536 }, 0.85, 0.95],
    ['WRITEs, ECN, path MTU 4096', { ecnBytes: 65536, mtu: 4096 }, 0.9, 0.85],
    ['READs of one, loss only', { pattern: 'read' }, 0.85, 0.9],
    ['READs of one, ECN', { pattern: 'read', ecnBytes: 65536 }, 0.85, 0.95],
    ['READs of one with a large buffer, ECN', { pattern: 'read', ecnBytes: 65536, window: 1 << 20 }, 0.85, 0.95],
    ['READs from one', { pattern: 'readers' }, 0.85, 0.9],
    ['READs from one, path MTU 4096', { pattern: 'readers', mtu: 4096 }, 0.85, 0.8],
  ];
  for (const [what, options, goodput, fairness] of rows) {
    it(`${what}: ${100 * goodput} % of the link at least, Jain's index ${fairness}, no connection fails`, () => {
      for (const seed of [1, 2]) {
        const r = congest({ warmupUs: 5000, ...options, seed });
        assert.deepEqual(r.failed, []);
        assert.ok(r.goodput >= goodput, `goodput ${r.goodput}`);
        assert.ok(r.fairness >= fairness, `fairness ${r.fairness}`);
      }
    });
  }
});
