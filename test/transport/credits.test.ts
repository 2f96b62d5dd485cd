// End-to-end flow control, IBTA 9.7.7.2: what a responder announces, and what a requester does with it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { QpType, WcStatus, WrOpcode } from '../../src/core/constants.ts';
import * as verbs from '../../src/core/verbs.ts';
import type { SoftQp } from '../../src/transport/qp.ts';
import { aethCredits, aethSyndrome, encodeAethCredits, writeAeth } from '../../src/wire/aeth.ts';
import { BTH_LEN, bthOpcode, bthPsn, writeBth } from '../../src/wire/bth.ts';
import { RC_ACKNOWLEDGE, RC_READ_REQUEST, RC_SEND_ONLY, RC_WRITE_ONLY } from '../../src/wire/opcodes.ts';
import { forge } from '../model/forge.ts';
import { tap } from '../model/tap.ts';
import { addressVector, connect, Fabric, type Node, sge } from './fabric.ts';

interface Pair {
  readonly f: Fabric;
  readonly a: Node;
  readonly b: Node;
  readonly qa: SoftQp;
  readonly qb: SoftQp;
  /** First transmissions of `a`: their opcodes. */
  readonly fresh: number[];
  /** Syndromes of `b`'s acknowledgements. */
  readonly acks: number[];
}

function pair(attr: Parameters<typeof connect>[4] = {}): Pair {
  const f = new Fabric();
  const [a, b] = [f.node(), f.node()];
  const [qa, qb] = [a.createQp(), b.createQp()];
  connect(a, qa, b, qb, { minRnrTimer: 20, ...attr });
  const fresh: number[] = [];
  const acks: number[] = [];
  const seen = new Set<number>();
  tap(f.sim, (from, { buf }) => {
    if (from === b.link) {
      if (bthOpcode(buf, 0) === RC_ACKNOWLEDGE) acks.push(aethSyndrome(buf, BTH_LEN));
      return;
    }
    if (!seen.has(bthPsn(buf, 0))) fresh.push(bthOpcode(buf, 0));
    seen.add(bthPsn(buf, 0));
  });
  return { f, a, b, qa, qb, fresh, acks };
}

const send = ({ a, qa }: Pair, n = 1, opcode: number = WrOpcode.SEND): void => {
  for (let i = 0; i < n; i++) a.send(qa, { opcode });
};
const recv = ({ b, qb }: Pair, n = 1): void => {
  for (let i = 0; i < n; i++) b.recv(qb, { wrId: i });
};
const succeeded = ({ a, qa }: Pair): number => {
  const done = a.poll(qa.sendCq);
  assert.ok(done.every((wc) => wc.status === WcStatus.SUCCESS));
  return done.length;
};
const count = (opcodes: number[], opcode: number): number => opcodes.filter((o) => o === opcode).length;
/** `b`'s acknowledgements announce so many. */
const announce = (p: Pair, credits: number): void =>
  forge(p.f.sim, RC_ACKNOWLEDGE, ({ buf }) => {
    if ((aethSyndrome(buf, BTH_LEN) & 0x60) === 0) buf[BTH_LEN] = encodeAethCredits(credits);
  });

describe('a responder', () => {
  it('announces no limit, as Linux rxe does', () => {
    const p = pair();
    recv(p, 3);
    send(p, 3);
    p.f.run();
    assert.deepEqual(new Set(p.acks), new Set([0x1f]));
    p.f.close();
  });

  it('told to announce: never more than it has, nor much less', () => {
    const p = pair();
    p.b.rxe.engine.announceCredits = true;
    recv(p, 60);
    for (let left = 59; left >= 0; left--) {
      p.acks.length = 0;
      send(p);
      p.f.run(100);
      const credits = aethCredits[p.acks[0]];
      assert.ok(credits <= left && credits >= left * 0.66, `${credits} of ${left}`);
    }
    p.f.close();
  });
});

describe('a requester with limited credits', () => {
  it('sends as many as there are credits and one more, and the rest when there are more', () => {
    const p = pair();
    p.b.rxe.engine.announceCredits = true;
    recv(p, 3);
    send(p);
    p.f.run(100);
    assert.equal(p.qa.credits, 2);
    send(p, 9);
    p.f.run(100);
    assert.equal(count(p.fresh, RC_SEND_ONLY), 1 + 2 + 1);
    assert.equal(p.b.rxe.engine.counters.send_rnr_err, 1, 'the one beyond finds no receive request');
    recv(p, 20);
    p.f.run();
    assert.equal(succeeded(p), 10);
    p.f.close();
  });

  it('that has heard of no credits keeps one SEND outstanding and never stops', () => {
    const p = pair();
    announce(p, 0);
    recv(p, 20);
    send(p);
    p.f.run(100);
    let most = 0;
    tap(p.f.sim, () => {
      most = Math.max(most, (p.qa.sndMax - p.qa.una) & 0xffffff);
    });
    send(p, 15);
    p.f.run();
    assert.equal(succeeded(p), 16);
    assert.equal(most, 1);
    assert.equal(p.a.rxe.engine.counters.timeouts, 0);
    p.f.close();
  });

  it('does not hold back what takes no receive request: WRITE, READ, ATOMIC', () => {
    const p = pair({ maxRdAtomic: 16, maxDestRdAtomic: 16 });
    announce(p, 0);
    const mr = p.b.regMr(64);
    const own = p.a.regMr(64);
    recv(p, 2);
    send(p);
    p.f.run(100);
    p.fresh.length = 0;
    const at = { remoteAddr: mr.iova, rkey: mr.rkey, sge: [sge(own, 0, 8)] };
    for (let i = 0; i < 5; i++) p.a.send(p.qa, { opcode: WrOpcode.RDMA_WRITE, ...at });
    for (let i = 0; i < 5; i++) p.a.send(p.qa, { opcode: WrOpcode.RDMA_READ, ...at });
    for (let i = 0; i < 2; i++) p.a.send(p.qa, { opcode: WrOpcode.ATOMIC_FETCH_AND_ADD, ...at, compareAdd: 1n });
    p.f.run(2);
    assert.equal(count(p.fresh, RC_WRITE_ONLY), 5);
    assert.equal(count(p.fresh, RC_READ_REQUEST), 5);
    assert.equal(p.fresh.length, 12);
    p.f.close();
  });

  it('WRITE_WITH_IMM takes a credit too', () => {
    const p = pair();
    announce(p, 1);
    recv(p, 8);
    send(p);
    p.f.run(100);
    p.fresh.length = 0;
    send(p, 6, WrOpcode.RDMA_WRITE_WITH_IMM);
    p.f.run(1);
    assert.equal(p.fresh.length, 2);
    p.f.run();
    assert.equal(succeeded(p), 7);
    p.f.close();
  });

  it('an unsolicited acknowledgement, of what was acknowledged last, brings credits; 0x1f lifts the limit', () => {
    for (const [syndrome, go] of [
      [encodeAethCredits(2), 1 + 2],
      [0x1f, 6],
    ] as const) {
      const p = pair({ timeout: 20 });
      announce(p, 0);
      recv(p, 8);
      send(p);
      p.f.run(100);
      // The one beyond its credits is under way for long, and the others wait.
      p.f.sim.setPath(p.a.link, p.b.link, { loss: 1 });
      p.fresh.length = 0;
      send(p, 6);
      p.f.run(50);
      assert.equal(p.fresh.length, 1);
      const { port } = p.b.rxe;
      const at = port.begin(port.pathTo(addressVector(p.a)!), BTH_LEN + 4);
      writeBth(port.buf, at, RC_ACKNOWLEDGE, 0x40, 0xffff, p.qa.qpn, false, p.qa.una - 1);
      // What forge() would change has passed it already.
      writeAeth(port.buf, at + BTH_LEN, syndrome, 1);
      p.f.sim.transmit = Object.getPrototypeOf(p.f.sim).transmit.bind(p.f.sim);
      let sent = 1;
      tap(p.f.sim, (from) => {
        if (from === p.a.link) sent++;
      });
      port.end();
      port.flush();
      p.f.run(50);
      assert.equal(sent, go);
      p.f.close();
    }
  });

  it('a peer with an SRQ announces no limit (IBTA 9.7.7.2), and nobody has one before the first acknowledgement', () => {
    const f = new Fabric();
    const [a, b] = [f.node(), f.node()];
    b.rxe.engine.announceCredits = true;
    const srq = verbs.createSrq(b.pd, { maxWr: 8, maxSge: 1, limit: 0 });
    const [qa, qb] = [a.createQp(), b.createQp(QpType.RC, undefined, {}, srq)];
    connect(a, qa, b, qb);
    let sent = 0;
    tap(f.sim, (from) => {
      if (from === a.link) sent++;
    });
    b.recv(srq, { wrId: 1 });
    for (let i = 0; i < 5; i++) a.send(qa, { opcode: WrOpcode.SEND });
    f.run(1);
    assert.equal(sent, 5);
    for (let i = 0; i < 4; i++) b.recv(srq, { wrId: i });
    f.run();
    assert.equal(qa.credits, -1);
    f.close();
  });
});
