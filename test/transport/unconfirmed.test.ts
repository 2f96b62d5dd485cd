// The stand-in for priority flow control: nothing is lost at a receiver that is slow, and nobody waits for who does not answer.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { QpType, WcStatus, WrOpcode } from '../../src/core/constants.ts';
import { gidFromText } from '../../src/core/gid-text.ts';
import * as verbs from '../../src/core/verbs.ts';
import type { Parcel } from '../../src/link/parcel.ts';
import type { SimNodeOptions } from '../../src/link/sim-link.ts';
import type { SoftQp } from '../../src/transport/qp.ts';
import { Unconfirmed } from '../../src/transport/unconfirmed.ts';
import { bthOpcode, bthQpn } from '../../src/wire/bth.ts';
import { ECHO, opcodeTransport, PROBE, TRANSPORT_UC, TRANSPORT_UD, UC_SEND_ONLY } from '../../src/wire/opcodes.ts';
import { probeCount, probeToken, writeProbe } from '../../src/wire/probe.ts';
import { tap } from '../model/tap.ts';
import { activateUd, addressVector, connect, Fabric, type Node, sge } from './fabric.ts';

const QKEY = 0x11111111;
const SIZE = 4096;
/** What Debian's default net.core.rmem_max gives: the buffer, and the window made of it (link/udp-window.ts). */
const SMALL: SimNodeOptions = { receiveBytes: 212_992, window: 141_994 };

/** `node` runs only so often: between that its buffer fills. */
function deschedule(f: Fabric, node: Node, everyUs: number): void {
  let due = false;
  node.link.onArrival = () => {
    if (due) return;
    due = true;
    f.sim.at(everyUs, () => {
      due = false;
      do node.rxe.engine.progress();
      while (!node.rxe.engine.idle);
    });
  };
}

interface Stream {
  readonly node: Node;
  readonly qp: SoftQp;
  readonly to: Node;
  readonly qpThere: SoftQp;
  readonly count: number;
}

/** From `node` to `to`, `count` messages of 4096 bytes, as fast as it goes. */
function stream(node: Node, to: Node, type: number, count: number): Stream {
  const cap = { maxSendWr: count, maxRecvWr: count };
  const qp = node.createQp(type, node.createCq(count), cap);
  const qpThere = to.createQp(type, to.createCq(count), cap);
  if (type === QpType.UC) connect(node, qp, to, qpThere, { pathMtu: 5 });
  else {
    activateUd(node, qp);
    activateUd(to, qpThere);
  }
  const from = node.regMr(SIZE);
  const into = to.regMr(SIZE + 40);
  for (let i = 0; i < count; i++) to.recv(qpThere, { wrId: i, sge: [sge(into, 0, SIZE + 40)] });
  const ud = type === QpType.UD;
  const remote = ud
    ? { ah: verbs.createAh(node.pd, addressVector(to)!), remoteQpn: qpThere.qpn, remoteQkey: QKEY }
    : {};
  for (let i = 0; i < count; i++) node.send(qp, { opcode: WrOpcode.SEND, sge: [sge(from, 0, SIZE)], ...remote });
  return { node, qp, to, qpThere, count };
}

const received = ({ to, qpThere }: Stream): number =>
  to.poll(qpThere.recvCq).filter((wc) => wc.status === WcStatus.SUCCESS).length;
const completed = ({ node, qp }: Stream): number =>
  node.poll(qp.sendCq).filter((wc) => wc.status === WcStatus.SUCCESS).length;

const isData = (parcel: Parcel): boolean =>
  [TRANSPORT_UC, TRANSPORT_UD].includes(opcodeTransport[bthOpcode(parcel.buf, 0)]);
const count = (f: Fabric, opcode: number): { n: number } => {
  const seen = { n: 0 };
  tap(f.sim, (_, parcel) => {
    if (bthOpcode(parcel.buf, 0) === opcode) seen.n++;
  });
  return seen;
};

for (const [name, type] of [
  ['UC', QpType.UC],
  ['UD', QpType.UD],
] as const) {
  describe(name, () => {
    for (const [what, senders, everyUs] of [
      ['one sender', 1, 5000],
      ['one sender, a receiver that is seldom there', 1, 60_000],
      ['two senders', 2, 5000],
      ['six senders', 6, 3000],
    ] as const) {
      it(`${what} to a small buffer: nothing is lost`, () => {
        const f = new Fabric();
        const to = f.node(SMALL);
        const streams = Array.from({ length: senders }, () => stream(f.node(SMALL), to, type, 600));
        deschedule(f, to, everyUs);
        f.run();
        assert.equal(f.sim.counters.overflowed, 0);
        for (const s of streams) assert.deepEqual([completed(s), received(s)], [s.count, s.count]);
        f.close();
      });
    }

    it('probes and answers that are lost hold nothing up', () => {
      const f = new Fabric({ seed: 3 });
      const [a, b] = [f.node(SMALL), f.node(SMALL)];
      const s = stream(a, b, type, 1000);
      const lose = { PROBE: 0, ECHO: 0 };
      const transmit = f.sim.transmit.bind(f.sim);
      f.sim.transmit = (from, parcel, departed) => {
        const opcode = bthOpcode(parcel.buf, 0);
        const probe = opcode === PROBE;
        if ((probe || opcode === ECHO) && f.sim.random() < 0.3) {
          lose[probe ? 'PROBE' : 'ECHO']++;
          parcel.buf[parcel.len - 1] ^= 1;
        }
        transmit(from, parcel, departed);
      };
      const began = f.sim.now;
      let done = 0;
      for (let i = 0; i < 800 && done < s.count; i++) {
        f.run(1000);
        done += completed(s);
      }
      assert.ok(lose.PROBE > 3 && lose.ECHO > 3, JSON.stringify(lose));
      assert.equal(done, s.count);
      assert.ok(f.sim.now - began < 800_000, `${f.sim.now - began} µs`);
      f.run();
      assert.equal(received(s), s.count);
      f.close();
    });

    it('who never answers gets its traffic, and on top of it only what it drops before it looks for a queue pair', () => {
      const f = new Fabric();
      const [a, b] = [f.node(SMALL), f.node()];
      const strange: number[] = [];
      let times = 0;
      tap(f.sim, (from, parcel) => {
        if (from !== a.link || isData(parcel)) return;
        strange.push(bthQpn(parcel.buf, 0));
        times++;
        // As if it did not know the opcode.
        parcel.buf[0] = 0xdf;
      });
      const s = stream(a, b, type, 1000);
      f.run(150_000);
      assert.equal(completed(s), s.count);
      assert.equal(received(s), s.count);
      assert.deepEqual(new Set(strange), new Set([0]));
      assert.ok(times < 25, `${times} probes`);
      times = 0;
      const again = stream(a, b, type, 1000);
      f.run(5000);
      assert.equal(completed(again), again.count, 'it is not waited for again');
      assert.equal(received(again), again.count);
      assert.ok(times <= 1, `${times} probes`);
      f.close();
    });

    it('who answers later than never has a window again', () => {
      const f = new Fabric();
      const [a, b] = [f.node(), f.node(SMALL)];
      const s = stream(a, b, type, 1000);
      deschedule(f, b, 150_000);
      f.run(1_000_000);
      assert.equal(completed(s), s.count);
      const lost = f.sim.counters.overflowed;
      assert.ok(lost > 0, 'it was taken for one that never answers');
      received(s);
      const again = stream(a, b, type, 300);
      f.run();
      assert.equal(f.sim.counters.overflowed, lost);
      assert.deepEqual([completed(again), received(again)], [again.count, again.count]);
      f.close();
    });

    it('who has gone is given up, within a second', () => {
      const f = new Fabric();
      const [a, b] = [f.node(), f.node()];
      const s = stream(a, b, type, 300);
      f.run();
      assert.deepEqual([completed(s), received(s)], [s.count, s.count]);
      const again = stream(a, b, type, 1000);
      b.link.onArrival = null;
      f.run(1_000_000);
      assert.equal(completed(again), again.count);
      f.close();
    });

    it('costs nothing when little is sent', () => {
      const f = new Fabric();
      const [a, b] = [f.node(), f.node()];
      const probes = count(f, PROBE);
      stream(a, b, type, 1);
      f.run();
      assert.equal(probes.n, 0);
      f.close();
    });

    it('costs little when much is sent', () => {
      const f = new Fabric();
      const [a, b] = [f.node({ window: 2 << 20 }), f.node({ window: 2 << 20 })];
      const probes = count(f, PROBE);
      const s = stream(a, b, type, 4000);
      f.run();
      assert.equal(received(s), s.count);
      assert.ok(probes.n < 150, `${probes.n} probes`);
      f.close();
    });
  });
}

describe('probes', () => {
  it('what is sent to a group, and what a device sends to itself, is not asked about', () => {
    const f = new Fabric();
    const [a, b] = [f.node(), f.node()];
    const probes = count(f, PROBE);
    const [qa, qb] = [a.createQp(QpType.UD), b.createQp(QpType.UD)];
    activateUd(a, qa);
    activateUd(b, qb);
    const gid = gidFromText('ff15::77');
    verbs.attachMcast(qb, gid);
    const ah = verbs.createAh(a.pd, { ...addressVector(b)!, dgid: gid });
    const from = a.regMr(SIZE);
    for (let i = 0; i < 60; i++) {
      a.send(qa, { opcode: WrOpcode.SEND, sge: [sge(from, 0, 1024)], ah, remoteQpn: 0xffffff, remoteQkey: QKEY });
    }
    f.run(50_000);
    assert.equal(a.poll(qa.sendCq).length, 60);
    assert.equal(probes.n, 0);
    verbs.detachMcast(qb, gid);
    f.close();
  });

  it('an answer that was not asked for, or of another partition, changes nothing', () => {
    const f = new Fabric();
    const [a, b, c] = [f.node(), f.node(SMALL), f.node()];
    let token = -1;
    let sent = 0;
    tap(f.sim, (from, parcel) => {
      if (from === a.link && bthOpcode(parcel.buf, 0) === PROBE) token = probeToken(parcel.buf, 0);
      if (from === a.link && bthOpcode(parcel.buf, 0) === UC_SEND_ONLY) sent++;
    });
    const echo = (node: Node, pkey: number, answers: number, count: number): void => {
      const { port } = node.rxe;
      const at = port.begin(port.pathTo(addressVector(a)!), 28);
      writeProbe(port.buf, at, ECHO, pkey, answers, count, 1 << 20);
      port.end();
      port.flush();
    };
    b.link.onArrival = null;
    stream(a, b, QpType.UC, 500);
    f.run(1000);
    assert.ok(token >= 0 && sent > 0);
    const before = sent;
    const dropped = a.rxe.engine.counters.dropped_pkts;
    echo(b, 0xffff, token ^ 1, 4608 * sent);
    echo(b, 0x1234, token, 4608 * sent);
    echo(c, 0xffff, token, 4608 * sent);
    f.run(1000);
    assert.equal(a.rxe.engine.counters.dropped_pkts, dropped + 3);
    assert.equal(sent, before);
    echo(b, 0xffff, token, 4608 * sent);
    f.run(1000);
    assert.ok(sent > before);
    f.close();
  });

  it('the answer gives back the count, and a share of the buffer', () => {
    const f = new Fabric();
    const [a, b] = [f.node(), f.node(SMALL)];
    const counts: number[][] = [[], []];
    tap(f.sim, (_, { buf }) => {
      if (bthOpcode(buf, 0) === PROBE) counts[0].push(probeCount(buf, 0));
      if (bthOpcode(buf, 0) === ECHO) counts[1].push(probeCount(buf, 0));
    });
    const s = stream(a, b, QpType.UC, 100);
    f.run();
    assert.equal(received(s), 100);
    assert.ok(counts[0].length > 3);
    assert.deepEqual(counts[0], counts[1]);
    assert.deepEqual(
      counts[0].map((c) => c % (SIZE + 512)),
      counts[0].map(() => 0),
    );
    f.close();
  });
});

describe('Unconfirmed', () => {
  const path = { window: null, reads: null } as never;

  it('counts past 2^32', () => {
    const to = new Unconfirmed(1 << 20, 1);
    const cost = 3 * 2 ** 20;
    for (let i = 0; i < 4096; i++) {
      assert.ok(to.admits(cost, 0));
      to.add(cost, path, i);
      assert.ok(!to.admits(2 ** 21, 0));
      to.asked(i);
      to.answered(to.count, 1 << 20);
    }
    assert.ok(to.admits(1 << 30, 0));
  });

  it('leaves room for what RC has in flight, but never all of its own', () => {
    const to = new Unconfirmed(1 << 20, 1);
    to.answered(0, 1 << 20);
    to.add(1000, path, 0);
    assert.ok(to.admits((1 << 20) - 1000, 0));
    assert.ok(!to.admits((1 << 20) - 1000, 1000));
    assert.ok(to.admits((1 << 18) - 1000, 1 << 20));
    assert.ok(!to.admits(1 << 18, 1 << 20));
  });

  it('an answer from long ago, or from the future, confirms nothing', () => {
    const to = new Unconfirmed(1 << 20, 1);
    to.add(20_000, path, 0);
    to.asked(0);
    const old = to.count;
    to.answered(old, 40_000);
    to.add(30_000, path, 0);
    for (const wrong of [old, 0, old - 1, old + 30_001, old - 2 ** 31]) {
      to.answered(wrong >>> 0, 40_000);
      assert.ok(!to.admits(20_000, 0), `${wrong}`);
    }
    to.answered(old + 30_000, 40_000);
    assert.ok(to.admits(40_000, 0));
  });
});
