// What comes from the network: packets of strangers, forged addresses, guesses. docs/security.md says what each shows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QpState, QpType, WcStatus, WrOpcode } from '../../src/core/constants.ts';
import type { SoftQp } from '../../src/transport/qp.ts';
import { writeDeth } from '../../src/wire/deth.ts';
import { RC_ACKNOWLEDGE, RC_READ_REQUEST, RC_SEND_ONLY, RC_WRITE_ONLY, UD_SEND_ONLY } from '../../src/wire/opcodes.ts';
import { writeReth } from '../../src/wire/reth.ts';
import { activateUd, connect, Fabric, type Node, sge } from '../transport/fabric.ts';
import { Attacker, packet } from './attacker.ts';

const FIRST_PSN = 0xfffff0;
const { SUCCESS } = WcStatus;

interface Scene {
  readonly f: Fabric;
  readonly a: Node;
  readonly b: Node;
  readonly qa: SoftQp;
  readonly qb: SoftQp;
  readonly mallory: Attacker;
}

function scene(): Scene {
  const f = new Fabric();
  const [a, b] = [f.node(), f.node()];
  const [qa, qb] = [a.createQp(), b.createQp()];
  connect(a, qa, b, qb);
  return { f, a, b, qa, qb, mallory: new Attacker(f) };
}

/** The connection still does its work. */
function works({ f, a, b, qa, qb }: Scene): void {
  const [from, to] = [a.regMr(64), b.regMr(64)];
  from.bytes.fill(7);
  b.recv(qb, { wrId: 1, sge: [sge(to, 0, 64)] });
  a.send(qa, { opcode: WrOpcode.SEND, sge: [sge(from, 0, 64)] });
  f.run();
  assert.deepEqual(
    a.poll(qa.sendCq).map((wc) => wc.status),
    [SUCCESS],
  );
  assert.deepEqual(
    b.poll(qb.recvCq).map((wc) => wc.status),
    [SUCCESS],
  );
  assert.ok(to.bytes.equals(from.bytes));
}

test('a stranger who knows queue pair, PSN and key: nothing is read, written, received or answered', () => {
  const s = scene();
  const { f, b, qb, mallory } = s;
  const mr = b.regMr(64);
  const before = b.rxe.engine.counters.sent_pkts;
  const write = packet(RC_WRITE_ONLY, qb, FIRST_PSN, 64);
  writeReth(write, 12, mr.iova, mr.rkey, 64);
  write.fill(0x66, 28);
  const read = packet(RC_READ_REQUEST, qb, FIRST_PSN);
  writeReth(read, 12, mr.iova, mr.rkey, 64);
  for (const p of [packet(RC_SEND_ONLY, qb, FIRST_PSN, 8), write, read, packet(RC_ACKNOWLEDGE, qb, FIRST_PSN)])
    mallory.send(b, p, null);
  f.run();
  assert.ok(mr.bytes.every((byte) => byte === 0));
  assert.equal(b.rxe.engine.counters.dropped_pkts, 4);
  assert.equal(b.rxe.engine.counters.sent_pkts, before, 'nothing is answered');
  works(s);
  f.close();
});

test('with the peer’s address and a guessed PSN: nothing is executed, and the connection goes on', () => {
  const s = scene();
  const { f, a, b, qb, mallory } = s;
  const mr = b.regMr(64);
  // 20,000 guesses that are not the next PSN; a third of them with a key that is right.
  let psn = 1;
  for (let i = 0; i < 20_000; i++) {
    psn = (Math.imul(psn, 1664525) + 1013904223) & 0xffffff;
    if (psn === FIRST_PSN) continue;
    const write = packet(RC_WRITE_ONLY, qb, psn, 64);
    writeReth(write, 12, mr.iova, i % 3 === 0 ? mr.rkey : psn, 64);
    write.fill(0x66, 28);
    mallory.send(b, write, a);
    if (i % 256 === 255) f.run(1000);
  }
  f.run();
  assert.ok(mr.bytes.every((byte) => byte === 0));
  assert.equal(qb.state, QpState.RTS);
  works(s);
  f.close();
});

test('guessed queue pair numbers meet nobody; the first number is drawn at random', () => {
  const { f, b, mallory, qb } = scene();
  const taken = b.rxe.engine.counters.dropped_pkts;
  for (let i = 1; i <= 1000; i++) {
    const p = packet(RC_SEND_ONLY, qb, FIRST_PSN);
    p.writeUIntBE((qb.qpn + i) & 0xffffff, 5, 3);
    mallory.send(b, p, null);
    if (i % 256 === 0) f.run(1000);
  }
  f.run();
  assert.equal(b.rxe.engine.counters.dropped_pkts - taken, 1000);
  f.close();
  const firsts = new Set<number>();
  for (let seed = 1; seed <= 20; seed++) {
    const other = new Fabric({ seed });
    firsts.add(other.node().createQp().qpn);
    other.close();
  }
  assert.ok(firsts.size >= 19, `${firsts.size} different numbers of 20`);
});

test('guessed keys: 20,000 tries on a connection of the attacker’s own reach nothing', () => {
  const { f, b, qb } = scene();
  for (let i = 0; i < 100; i++) b.regMr(64);
  const { keys } = b.rxe.device;
  let x = 1;
  let hits = 0;
  for (let i = 0; i < 20_000; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    if (keys.remote(x, qb, 0x100000, 1, 4)) hits++;
  }
  // 100 keys of 2^32: 20,000 tries hit one with a probability of 0.0005.
  assert.equal(hits, 0);
  f.close();
});

test('a datagram from anywhere with the right Q_Key is received; with another, or the high bit, it is not', () => {
  const f = new Fabric();
  const b = f.node();
  const mallory = new Attacker(f);
  const qp = b.createQp(QpType.UD);
  activateUd(b, qp, 0x1234);
  const buffer = b.regMr(256);
  for (let i = 0; i < 3; i++) b.recv(qp, { wrId: i, sge: [sge(buffer, 0, 256)] });
  for (const qkey of [0x1235, 0x80001234, 0, 0x1234]) {
    const p = packet(UD_SEND_ONLY, qp, 0, 8);
    writeDeth(p, 12, qkey, 99);
    mallory.send(b, p, null);
  }
  f.run();
  assert.deepEqual(
    b.poll(qp.recvCq).map((wc) => [wc.wrId, wc.srcQp]),
    [[0, 99]],
  );
  assert.equal(b.rxe.engine.counters.bad_qkey, 3);
  f.close();
});

test('P_Keys: of another partition, invalid, or limited to limited: dropped and counted', () => {
  const s = scene();
  const { f, a, b, qb, mallory } = s;
  b.recv(qb, {});
  for (const pkey of [0x8001, 0x0000, 0x8000, 0x1fff]) mallory.send(b, packet(RC_SEND_ONLY, qb, FIRST_PSN, 0, pkey), a);
  f.run();
  assert.equal(b.rxe.engine.counters.bad_pkey, 4);
  b.rxe.device.pkeys.set(0, 0x7fff);
  mallory.send(b, packet(RC_SEND_ONLY, qb, FIRST_PSN, 0, 0x7fff), a);
  f.run();
  assert.equal(b.rxe.engine.counters.bad_pkey, 5);
  assert.equal(b.poll(qb.recvCq).length, 0);
  f.close();
});

test('a region that is deregistered in the middle of a peer’s WRITE is not written from then on', () => {
  const s = scene();
  const { f, a, b, qa } = s;
  const [from, to] = [a.regMr(1 << 18), b.regMr(1 << 18)];
  from.bytes.fill(0x55);
  f.sim.defaults.latencyUs = 20;
  a.link.bandwidth = 1000;
  a.send(qa, { opcode: WrOpcode.RDMA_WRITE, sge: [sge(from, 0, 1 << 18)], remoteAddr: to.iova, rkey: to.rkey });
  f.run(100);
  const arrived = to.bytes.lastIndexOf(0x55) + 1;
  assert.ok(arrived > 0 && arrived < 1 << 18, `${arrived} bytes had arrived`);
  b.rxe.device.keys.remove(to.rkey);
  f.run();
  assert.equal(to.bytes.lastIndexOf(0x55) + 1, arrived);
  assert.deepEqual(
    a.poll(qa.sendCq).map((wc) => wc.status),
    [WcStatus.REM_ACCESS_ERR],
  );
  f.close();
});

// What RoCE cannot protect against. These tests hold what docs/security.md says plainly; it is not that they should pass.
test('plainly: who can send with the peer’s address, and knows queue pair, PSN and key, is the peer', () => {
  const { f, a, b, qb, mallory } = scene();
  const mr = b.regMr(64);
  const write = packet(RC_WRITE_ONLY, qb, FIRST_PSN, 64);
  writeReth(write, 12, mr.iova, mr.rkey, 64);
  write.fill(0x66, 28);
  mallory.send(b, write, a);
  f.run();
  assert.ok(mr.bytes.every((byte) => byte === 0x66));
  f.close();
});

test('plainly: without the key such a one can still end the connection', () => {
  const { f, a, b, qb, mallory } = scene();
  const write = packet(RC_WRITE_ONLY, qb, FIRST_PSN, 8);
  writeReth(write, 12, 0, 1, 8);
  mallory.send(b, write, a);
  f.run();
  assert.notEqual(qb.state, QpState.RTS);
  f.close();
});
