// What is in flight to a peer: bounded by its buffer, halved by loss, grown by acknowledgements.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { WrOpcode } from '../../src/core/constants.ts';
import { PACKET_OVERHEAD, PeerWindow, readPiece } from '../../src/transport/window.ts';
import { connect, Fabric, sge } from './fabric.ts';

const PACKET = 4096 + PACKET_OVERHEAD;
/** As many windows of packets are acknowledged. */
function acknowledge(window: PeerWindow, windows: number): void {
  for (let i = 0; i < windows; i++) {
    for (let left = window.limit; left > 0; left -= PACKET) window.acknowledged(Math.min(PACKET, left), PACKET);
  }
}

it('begins small and doubles while nothing is lost, up to the receiver', () => {
  const window = new PeerWindow(1 << 20);
  assert.ok(window.limit <= 1 << 16);
  for (let i = 0; i < 5; i++) acknowledge(window, 1);
  assert.equal(window.limit, 1 << 20);
});

it('a loss, once for each event, makes it small; it comes back fast up to half, and slowly from there', () => {
  const window = new PeerWindow(1 << 20, 1 << 20);
  window.lost(1000);
  window.lost(1100);
  assert.ok(window.limit < PACKET);
  while (window.limit < (1 << 19) - PACKET) {
    const { limit } = window;
    acknowledge(window, 1);
    assert.ok(window.limit > Math.min(1.5 * limit, (1 << 19) - PACKET));
  }
  acknowledge(window, 1);
  const half = window.limit;
  assert.ok(half >= 1 << 19 && half < (1 << 19) + 2 * PACKET);
  acknowledge(window, 10);
  assert.ok(window.limit > half && window.limit < half + 10 * PACKET);
  acknowledge(window, 1000);
  assert.equal(window.limit, 1 << 20);
});

it('a peer that was only slow costs no window', () => {
  const f = new Fabric();
  const [a, b] = [f.node(), f.node()];
  const [qa, qb] = [a.createQp(), b.createQp()];
  connect(a, qa, b, qb, { timeout: 8 });
  const [from, to] = [a.regMr(1 << 20), b.regMr(1 << 20)];
  const at = { remoteAddr: to.iova, rkey: to.rkey, sge: [sge(from, 0, 1 << 20)] };
  a.send(qa, { opcode: WrOpcode.RDMA_WRITE, ...at });
  f.run(20_000);
  const { window } = qa.path!;
  const { limit } = window;
  assert.ok(limit > 1 << 17);
  f.sim.setPath(b.link, a.link, { latencyUs: 1500 });
  a.send(qa, { opcode: WrOpcode.RDMA_WRITE, ...at });
  f.run(1100);
  assert.ok(a.rxe.engine.counters.timeouts > 0 && window.limit < PACKET);
  f.run(2000);
  assert.ok(window.limit >= limit, `${window.limit} of ${limit}`);
  f.run();
  assert.equal(a.poll(qa.sendCq).length, 2);
  f.close();
});

it('a first mark halves it, rare ones take little, constant ones half again', () => {
  const window = new PeerWindow(1 << 20, 1 << 20);
  window.marked(1000);
  window.marked(1020);
  assert.equal(window.limit, 1 << 19);
  let now = 2000;
  let taken = 0;
  for (let i = 0; i < 50; i++) {
    acknowledge(window, 100);
    const { limit } = window;
    now += 1000;
    window.marked(now);
    taken = 1 - window.limit / limit;
  }
  assert.ok(taken < 0.04, `${taken}`);
  for (let i = 0; i < 100; i++) {
    acknowledge(window, 1);
    const { limit } = window;
    now += 1000;
    window.marked(now);
    taken = 1 - window.limit / limit;
    if (window.limit < 2 * PACKET) break;
  }
  assert.ok(taken > 0.1, `${taken}`);
});

it('a READ is asked for in pieces of what is free; a QP with nothing in flight always gets a packet', () => {
  const buffer = new PeerWindow(1 << 20, 1 << 20);
  const path = new PeerWindow(1 << 20, 1 << 20);
  const ask = (left: number, own = 0): number => readPiece(buffer, path, 4096, left, own);
  assert.equal(ask(0), 1);
  assert.equal(ask(4097), 2);
  const most = ask(1 << 30);
  assert.equal(most, Math.floor((1 << 19) / PACKET));
  buffer.used = path.used = most * PACKET;
  assert.ok(ask(1 << 30, 1) >= most / 2 - 1, 'others share what is left');
  buffer.used = 1 << 20;
  assert.equal(ask(1 << 30, 1), 0);
  assert.equal(ask(1 << 30), 1);
  assert.equal(ask(64), 1);
});

it('a QP with nothing in flight may send one packet, however full it is', () => {
  const window = new PeerWindow(10_000);
  window.used = 10_000;
  assert.ok(window.admits(4608, 0));
  assert.ok(!window.admits(4608, 1));
});
