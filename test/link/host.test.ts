import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withLoopback } from '../../src/link/host.ts';
import { Simulation } from '../../src/link/sim.ts';
import { copyOf, flowTo, linkConformance, pattern, put } from './conformance.ts';

const GROUP = Uint8Array.of(239, 1, 2, 3);

linkConformance('host, to another', () => {
  const sim = new Simulation();
  const [a, b] = ['10.0.0.1', '10.0.0.2'].map((address) => withLoopback(sim.node(address)));
  return { a, b, settle: () => sim.run(), group: GROUP };
});
linkConformance('host, to itself', () => {
  const sim = new Simulation({ loss: 1 });
  const a = withLoopback(sim.node('10.0.0.1'));
  return { a, b: a, settle: () => sim.run(), group: GROUP };
});

describe('withLoopback', () => {
  it('sends to its own addresses through memory, to others through the link', () => {
    const sim = new Simulation();
    const inner = sim.node(['10.0.0.1', '10.0.0.3']);
    const host = withLoopback(inner);
    const other = sim.node('10.0.0.2');
    assert.equal(flowTo(host, other).link, inner);
    const self = host.flow({ local: 0, dst: inner.addresses[1].bytes, dport: 4791 });
    assert.notEqual(self.link, inner);
    assert.equal(self.link.needsChecksum, false);
    assert.equal(host.needsChecksum, true);
    assert.equal(self.sport, 4791);
    put(self, pattern(30, 1));
    put(flowTo(host, other), pattern(40, 2));
    host.flush();
    assert.equal(inner.stats.txPackets, 1);
    assert.equal(host.stats.txPackets, 2);
    const got: ReturnType<typeof copyOf>[] = [];
    host.poll((arrival) => got.push(copyOf(arrival)), 10);
    assert.equal(got.length, 1);
    assert.equal(got[0].local, 1);
    assert.equal(got[0].src, '10.0.0.1'.replaceAll(' ', ''));
    assert.deepEqual(got[0].data, pattern(30, 1));
  });

  it('calls onArrival for both, whether set before or after the loopback came to be', () => {
    const sim = new Simulation();
    const host = withLoopback(sim.node('10.0.0.1'));
    const other = sim.node('10.0.0.2');
    let calls = 0;
    host.onArrival = () => calls++;
    put(flowTo(host, host), pattern(30, 1));
    host.flush();
    assert.equal(calls, 1);
    put(flowTo(other, host), pattern(30, 1));
    other.flush();
    sim.run();
    assert.equal(calls, 2);
    host.onArrival = null;
    host.poll(() => {}, 10);
    put(flowTo(host, host), pattern(30, 1));
    host.flush();
    assert.equal(calls, 2);
  });

  it('can itself be sent through', () => {
    const sim = new Simulation();
    const host = withLoopback(sim.node('10.0.0.1'));
    const other = sim.node('10.0.0.2');
    for (const to of [host, other]) {
      const off = host.reserve(flowTo(host, to), 30);
      pattern(30, 5).copy(host.tx, off);
      assert.equal(host.txId, 0);
      host.commit();
      assert.equal(host.reserve(flowTo(host, to), 30) >= 0, true);
      host.abort();
    }
    host.flush();
    sim.run();
    for (const to of [host, other]) {
      assert.equal(
        to.poll((arrival) => assert.deepEqual(copyOf(arrival).data, pattern(30, 5)), 9),
        1,
      );
    }
  });
});
