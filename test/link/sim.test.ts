import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Simulation, type SimulationOptions } from '../../src/link/sim.ts';
import type { SimLink } from '../../src/link/sim-link.ts';
import { flowTo, linkConformance, pattern, put } from './conformance.ts';
import { assertRate } from './statistics.ts';

function pairOf(options: SimulationOptions, addresses: [string, string]) {
  const sim = new Simulation(options);
  const [a, b] = addresses.map((address) => sim.node(address));
  return { a, b, settle: () => sim.run() };
}

const GROUP = Uint8Array.of(239, 1, 2, 3);
linkConformance('simulated, IPv4', () => ({ ...pairOf({}, ['10.0.0.1', '10.0.0.2']), group: GROUP }));
linkConformance('simulated, IPv6', () => pairOf({}, ['fd00::1', 'fd00::2']));
linkConformance('simulated, slow with jitter', () => ({
  ...pairOf({ jitterUs: 30, latencyUs: 5, node: { bandwidth: 100, queueBytes: 1 << 20 } }, ['10.0.0.1', '10.0.0.2']),
  group: GROUP,
}));
linkConformance('simulated, to itself', () => {
  const { a, settle } = pairOf({ loss: 1 }, ['10.0.0.1', '10.0.0.2']);
  return { a, b: a, settle, group: GROUP };
});

/** Every node sends to every other, answers, and sets timers; the log of all that happens. */
function chatter(seed: number, nodes: number, options: SimulationOptions): string[] {
  const sim = new Simulation({ seed, ...options });
  const links = Array.from({ length: nodes }, (_, i) => sim.node(`10.0.1.${i + 1}`));
  const log: string[] = [];
  for (const [i, link] of links.entries()) {
    link.onArrival = () => {
      link.poll((arrival) => {
        log.push(`${sim.now} ${i} ${arrival.src} ${arrival.tos} ${arrival.buf.toString('hex', 0, arrival.len)}`);
        if (arrival.buf[0] > 0) {
          const to = links[Math.floor(sim.random() * nodes)];
          put(flowTo(link, to), Buffer.from([arrival.buf[0] - 1, i, ...arrival.buf.subarray(0, 6)]));
        }
      }, 16);
      link.flush();
    };
    sim.at(sim.random() * 10, () => {
      for (const to of links) put(flowTo(link, to, { tos: 2 }), pattern(20, i));
      link.flush();
    });
  }
  sim.run(2000);
  return log;
}

const FAULTS = { latencyUs: 3, jitterUs: 4, loss: 0.05, duplicate: 0.05, reorder: 0.1, corrupt: 0.05 };

const numbered = (n: number, size: number): Buffer => {
  const data = pattern(size, n);
  data.writeUInt32BE(n >>> 0);
  return data;
};

/** Sends `count` datagrams from a to b and returns what b got, in order: the number in each, or -1 when damaged. */
function burst(sim: Simulation, a: SimLink, b: SimLink, count: number, size = 40): number[] {
  const flow = flowTo(a, b);
  const numbers: number[] = [];
  b.onArrival = () => {
    b.poll((arrival) => {
      const n = arrival.buf.readUInt32BE(arrival.off);
      const good = numbered(n, arrival.len).equals(arrival.buf.subarray(arrival.off, arrival.off + arrival.len));
      numbers.push(good ? n : -1);
    }, 1000);
  };
  for (let i = 0; i < count; i++) {
    sim.at(i, () => {
      put(flow, numbered(i, size));
      a.flush();
    });
  }
  sim.run();
  return numbers;
}

describe('Simulation', () => {
  it('does the same, event by event, with the same seed, and other things with another', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 2, max: 6 }), (seed, nodes) => {
        const options = { ...FAULTS, node: { bandwidth: 50, queueBytes: 4000, ecnBytes: 500 } };
        const log = chatter(seed, nodes, options);
        assert.ok(log.length > nodes);
        assert.deepEqual(chatter(seed, nodes, options), log);
        assert.notDeepEqual(chatter(seed + 1, nodes, options), log);
      }),
      { seed: 1, numRuns: 20 },
    );
  });

  it('orders timers by time, and equal times as they were set', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 300 }), (delays) => {
        const sim = new Simulation();
        const order: [number, number][] = [];
        for (const [i, delay] of delays.entries()) sim.at(delay, () => order.push([sim.now, i]));
        sim.run();
        const expected = delays.map((d, i): [number, number] => [d, i]).sort((x, y) => x[0] - y[0] || x[1] - y[1]);
        assert.deepEqual(order, expected);
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  it('runs until a time, steps, and forgets what was cancelled', () => {
    const sim = new Simulation();
    const seen: number[] = [];
    for (const t of [5, 10, 15]) sim.at(t, () => seen.push(t));
    sim.at(7, () => seen.push(7)).cancel();
    sim.run(10);
    assert.deepEqual(seen, [5, 10]);
    assert.equal(sim.now, 10);
    assert.equal(sim.nextTime, 15);
    assert.equal(sim.step(), true);
    assert.equal(sim.step(), false);
    assert.equal(sim.now, 15);
    sim.run(100);
    assert.equal(sim.now, 100);
  });

  it('delivers after the latency', () => {
    const sim = new Simulation({ latencyUs: 7 });
    const [a, b] = [sim.node('10.0.0.1'), sim.node('10.0.0.2')];
    sim.setPath(b, a, { latencyUs: 11 });
    const times: number[] = [];
    b.onArrival = () => {
      times.push(sim.now);
      b.poll(() => put(flowTo(b, a), pattern(10, 0)), 8);
      b.flush();
    };
    a.onArrival = () => times.push(sim.now);
    sim.at(100, () => {
      put(flowTo(a, b), pattern(10, 0));
      a.flush();
    });
    sim.run();
    assert.deepEqual(times, [107, 118]);
  });

  const N = 20_000;
  const network = (options: SimulationOptions): [Simulation, SimLink, SimLink] => {
    const sim = new Simulation({ seed: 42, ...options });
    return [sim, sim.node('10.0.0.1'), sim.node('10.0.0.2')];
  };

  it('loses, duplicates, reorders and corrupts as often as asked', () => {
    const [lossy, a1, b1] = network({ loss: 0.1 });
    const kept = burst(lossy, a1, b1, N);
    assertRate(N - kept.length, N, 0.1, 'loss');
    assert.equal(lossy.counters.lost, N - kept.length);

    const [doubling, a2, b2] = network({ duplicate: 0.2 });
    const twice = burst(doubling, a2, b2, N);
    assertRate(twice.length - N, N, 0.2, 'duplicate');
    assert.equal(new Set(twice).size, N);

    const [mixing, a3, b3] = network({ reorder: 0.05, reorderUs: 10 });
    const mixed = burst(mixing, a3, b3, N);
    const late = mixed.filter((n, i) => i > 0 && n < mixed[i - 1]).length;
    assert.deepEqual(
      mixed.toSorted((x, y) => x - y),
      Array.from({ length: N }, (_, i) => i),
    );
    assertRate(mixing.counters.reordered, N, 0.05, 'reorder');
    assert.ok(late > N * 0.03, `only ${late} were overtaken`);

    const [noisy, a4, b4] = network({ corrupt: 0.1 });
    const damaged = burst(noisy, a4, b4, N).filter((n) => n === -1).length;
    assertRate(damaged, N, 0.1, 'corrupt');
    assert.equal(noisy.counters.corrupted, damaged);
  });

  it('keeps the order of a flow in spite of jitter', () => {
    const [sim, a, b] = network({ latencyUs: 5, jitterUs: 100 });
    assert.deepEqual(
      burst(sim, a, b, 2000),
      Array.from({ length: 2000 }, (_, i) => i),
    );
  });

  it('has faults in one direction only when asked so', () => {
    const [sim, a, b] = network({});
    sim.setPath(a, b, { loss: 1 });
    assert.equal(burst(sim, a, b, 100).length, 0);
    assert.equal(burst(sim, b, a, 100).length, 100);
  });

  it('parts two nodes and joins them again, others unharmed', () => {
    const [sim, a, b] = network({});
    const c = sim.node('10.0.0.3');
    sim.partition(a, b);
    assert.equal(burst(sim, a, b, 10).length, 0);
    assert.equal(burst(sim, b, a, 10).length, 0);
    assert.equal(burst(sim, a, c, 10).length, 10);
    assert.equal(sim.counters.blocked, 20);
    sim.heal(b, a);
    assert.equal(burst(sim, a, b, 10).length, 10);
    assert.equal(burst(sim, b, a, 10).length, 10);
  });

  it('copies multicast to all members, each by its own path', () => {
    const sim = new Simulation({ seed: 3 });
    const nodes = Array.from({ length: 20 }, (_, i) => sim.node(`10.0.0.${i + 1}`));
    const got = new Map<SimLink, number>();
    for (const node of nodes.slice(0, 15)) node.join(0, GROUP);
    for (const node of nodes) {
      node.onArrival = () => {
        node.poll((arrival) => {
          assert.deepEqual(arrival.group, GROUP);
          got.set(node, (got.get(node) ?? 0) + 1);
        }, 10);
      };
    }
    sim.partition(nodes[0], nodes[3]);
    nodes[4].leave(0, GROUP);
    nodes[5].close();
    put(nodes[0].flow({ local: 0, dst: GROUP, dport: 4791 }), pattern(30, 1));
    nodes[0].flush();
    sim.run();
    // 15 joined, the sender among them; one is parted, one left, one closed.
    assert.equal(got.size, 12);
    assert.ok([...got.values()].every((n) => n === 1));
    assert.ok(got.has(nodes[0]));
  });

  it('drops what nobody listens for', () => {
    const [sim, a, b] = network({});
    put(a.flow({ local: 0, dst: Uint8Array.of(10, 9, 9, 9), dport: 4791 }), pattern(10, 0));
    put(a.flow({ local: 0, dst: b.addresses[0].bytes, dport: 1234 }), pattern(10, 0));
    a.flush();
    sim.run();
    assert.equal(sim.counters.unreachable, 2);
    b.close();
    assert.equal(burst(sim, a, b, 5).length, 0);
    const again = sim.node('10.0.0.2');
    assert.equal(burst(sim, a, again, 5).length, 5);
    assert.throws(() => sim.node('10.0.0.2'), /another node has the address 10\.0\.0\.2/);
  });

  it('drops what its receive buffer has no room for', () => {
    const sim = new Simulation();
    const [a, b] = [sim.node('10.0.0.1'), sim.node('10.0.0.2', { receiveBytes: 1000 })];
    for (let i = 0; i < 20; i++) put(flowTo(a, b), pattern(100, i));
    a.flush();
    sim.run();
    assert.equal(sim.counters.overflowed, 10);
    assert.equal(
      b.poll(() => {}, 100),
      10,
    );
  });

  it('throws for a datagram over the MTU, takes one that just fits', () => {
    const [sim] = network({});
    const small = sim.node('10.0.0.9', { mtu: 1500 });
    const flow = flowTo(small, small);
    assert.throws(() => small.reserve(flow, 1473), /MTU of 1500/);
    assert.equal(small.reserve(flow, 1472), 0);
  });
});

describe('Simulation with bandwidth', () => {
  const SIZE = 972;
  const PACKET = SIZE + 28;

  it('sends no faster than the sender and receives no faster than the receiver', () => {
    for (const [from, to] of [
      [100, 0],
      [0, 100],
      [100, 100],
    ]) {
      const sim = new Simulation({ latencyUs: 10 });
      const a = sim.node('10.0.0.1', { bandwidth: from, queueBytes: 1e6 });
      const b = sim.node('10.0.0.2', { bandwidth: to, queueBytes: 1e6 });
      const times: number[] = [];
      b.onArrival = () => {
        times.push(sim.now);
        b.poll(() => {}, 10);
      };
      for (let i = 0; i < 50; i++) put(flowTo(a, b), pattern(SIZE, i));
      a.flush();
      sim.run();
      assert.equal(times.length, 50);
      const first = 10 + PACKET / 100 + (from > 0 && to > 0 ? PACKET / 100 : 0);
      for (const [i, time] of times.entries()) assert.ok(Math.abs(time - (first + (i * PACKET) / 100)) < 1e-6);
    }
  });

  it('marks ECN-capable packets and drops at the tail when many send to one', () => {
    const sim = new Simulation({ latencyUs: 1 });
    const b = sim.node('10.0.0.100', { bandwidth: 10, queueBytes: 20 * PACKET, ecnBytes: 5 * PACKET });
    const marks: number[] = [];
    b.onArrival = () => b.poll((arrival) => marks.push(arrival.tos), 100);
    for (let i = 0; i < 40; i++) {
      const a = sim.node(`10.0.0.${i + 1}`);
      // ECT(0), and every other sender not ECN-capable.
      put(flowTo(a, b, { tos: i % 2 === 0 ? 0x6a : 0x68 }), pattern(SIZE, i));
      a.flush();
    }
    sim.run();
    assert.equal(marks.length, 20);
    assert.equal(sim.counters.queueDrops, 20);
    assert.deepEqual(marks.slice(0, 5), [0x6a, 0x68, 0x6a, 0x68, 0x6a]);
    assert.deepEqual(marks.slice(5, 9), [0x68, 0x6b, 0x68, 0x6b]);
    assert.equal(sim.counters.marked, marks.filter((tos) => (tos & 3) === 3).length);
  });

  it('refuses to flush more than the sender may queue, and calls back when there is room', () => {
    const sim = new Simulation({ latencyUs: 1 });
    const a = sim.node('10.0.0.1', { bandwidth: 100, queueBytes: 10 * PACKET });
    const b = sim.node('10.0.0.2');
    let calls = 0;
    a.onArrival = () => {
      calls++;
      a.flush();
    };
    for (let i = 0; i < 100; i++) put(flowTo(a, b), pattern(SIZE, i));
    assert.equal(a.flush(), false);
    sim.run();
    assert.ok(calls > 5 && calls < 100, `${calls} calls`);
    assert.equal(
      b.poll(() => {}, 1000),
      100,
    );
  });
});

describe('Simulation of many nodes', () => {
  it('takes thousands', () => {
    const sim = new Simulation({ seed: 5, ...FAULTS });
    const count = 5000;
    const nodes = Array.from({ length: count }, (_, i) => sim.node(`10.1.${i >> 8}.${i & 255}`));
    let arrivals = 0;
    for (const [i, node] of nodes.entries()) {
      node.onArrival = () => {
        node.poll(() => arrivals++, 64);
      };
      sim.at(i % 10, () => {
        for (let k = 1; k <= 4; k++) put(flowTo(node, nodes[(i + k * 977) % count]), pattern(64, k));
        node.flush();
      });
    }
    const start = performance.now();
    sim.run();
    const elapsed = performance.now() - start;
    assertRate(arrivals - 20_000 * 0.95, 20_000, 0.05, 'arrivals beyond the lossless ones');
    assert.ok(elapsed < 3000, `20000 datagrams took ${elapsed} ms`);
  });
});
