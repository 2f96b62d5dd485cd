// What is in flight to a peer: bounded by its buffer, halved by loss, grown by acknowledgements.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { WcStatus, WrOpcode } from '../../src/core/constants.ts';
import { PeerWindow } from '../../src/transport/window.ts';
import { connect, Fabric, fill, sge } from './fabric.ts';

it('a loss halves it, once for each event, down to a least; acknowledgements bring it back, not further', () => {
  const window = new PeerWindow(1 << 20);
  window.lost(1000);
  window.lost(1100);
  assert.equal(window.limit, 1 << 19);
  for (let now = 2000; now < 20_000; now += 1000) window.lost(now);
  const least = window.limit;
  assert.ok(least > 4096 && least < 16_384);
  window.acknowledged(least);
  assert.ok(window.limit - least > 4096 && window.limit - least < 8192, 'about a packet for a window acknowledged');
  for (let i = 0; i < 1e6; i++) window.acknowledged(4608);
  assert.equal(window.limit, 1 << 20);
});

it('a QP with nothing in flight may send one packet, however full it is', () => {
  const window = new PeerWindow(10_000);
  window.used = 10_000;
  assert.ok(window.admits(4608, 0));
  assert.ok(!window.admits(4608, 1));
});

it('32 senders into one receiver all get through, and fill its link by more than half', () => {
  const SENDERS = 32;
  const SIZE = 1 << 20;
  const BYTES_PER_US = 1250;
  const f = new Fabric({ seed: 5 });
  const port = { bandwidth: BYTES_PER_US, queueBytes: 256 * 1024 };
  const receiver = f.node(port);
  const to = receiver.regMr(SENDERS * SIZE);
  const data = fill(Buffer.alloc(SIZE));
  const senders = Array.from({ length: SENDERS }, (_, i) => {
    const node = f.node(port);
    const [qp, peer] = [node.createQp(), receiver.createQp()];
    connect(node, qp, receiver, peer, { timeout: 10 });
    const remoteAddr = to.iova + i * SIZE;
    node.send(qp, { opcode: WrOpcode.RDMA_WRITE, sge: [sge(node.regMr(data), 0, SIZE)], remoteAddr, rkey: to.rkey });
    return { node, qp };
  });
  f.run((2 * SENDERS * SIZE) / BYTES_PER_US);
  for (const { node, qp } of senders) {
    assert.deepEqual(
      node.poll(qp.sendCq).map((wc) => wc.status),
      [WcStatus.SUCCESS],
    );
  }
  for (let i = 0; i < SENDERS; i++) assert.ok(to.bytes.subarray(i * SIZE, (i + 1) * SIZE).equals(data));
  f.close();
});
