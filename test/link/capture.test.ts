import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Tap, withCapture } from '../../src/link/capture.ts';
import { withFaults } from '../../src/link/faults.ts';
import { withLoopback } from '../../src/link/host.ts';
import type { Flow } from '../../src/link/link.ts';
import { Simulation } from '../../src/link/sim.ts';
import { copyOf, flowTo, type Got, linkConformance, pattern, put } from './conformance.ts';

/** Remembers all that it is shown. */
class Recorder implements Tap {
  readonly out: { flow: Flow; data: Buffer; id: number }[] = [];
  readonly in: Got[] = [];

  sent(flow: Flow, buf: Buffer, offset: number, length: number, id: number): void {
    this.out.push({ flow, data: Buffer.from(buf.subarray(offset, offset + length)), id });
  }

  received(arrival: Parameters<Tap['received']>[0]): void {
    this.in.push(copyOf(arrival));
  }
}

linkConformance('capture', () => {
  const sim = new Simulation();
  const [a, b] = ['10.0.0.1', '10.0.0.2'].map((address) => withCapture(sim.node(address), new Recorder()));
  return { a, b, settle: () => sim.run(), group: Uint8Array.of(239, 1, 2, 3) };
});
linkConformance('capture by nobody', () => {
  const sim = new Simulation();
  const a = withCapture(withLoopback(sim.node('10.0.0.1')));
  return { a, b: a, settle: () => sim.run() };
});

describe('withCapture', () => {
  it('shows exactly what is sent and received, also to itself', () => {
    const step = fc.record({
      to: fc.constantFrom(0, 1, 2),
      length: fc.integer({ min: 1, max: 3000 }),
      commit: fc.boolean(),
      tos: fc.constantFrom(0, 2),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const sim = new Simulation();
        const taps = [new Recorder(), new Recorder(), new Recorder()];
        const links = taps.map((tap, i) => withCapture(withLoopback(sim.node(`10.0.0.${i + 1}`)), tap));
        const expected: { data: Buffer; flow: Flow }[] = [];
        for (const [i, { to, length, commit, tos }] of steps.entries()) {
          const flow = flowTo(links[0], links[to], { tos });
          const data = pattern(length, i);
          const off = flow.link.reserve(flow, length);
          data.copy(flow.link.tx, off);
          if (!commit) {
            flow.link.abort();
            continue;
          }
          flow.link.commit();
          expected.push({ data, flow });
        }
        assert.deepEqual(
          taps[0].out.map(({ data, flow }) => ({ data, flow })),
          expected,
        );
        links[0].flush();
        sim.run();
        for (const [i, link] of links.entries()) {
          const got: Got[] = [];
          link.poll((arrival) => got.push(copyOf(arrival)), 1000);
          assert.deepEqual(taps[i].in, got);
          assert.deepEqual(
            got.map((g) => g.data),
            expected.filter((e) => e.flow === flowTo(links[0], link, { tos: e.flow.tos })).map((e) => e.data),
          );
        }
      }),
      { seed: 6, numRuns: 100 },
    );
  });

  it('shows before the receiver sees', () => {
    const sim = new Simulation();
    const order: string[] = [];
    const tap: Tap = {
      sent: () => order.push('sent'),
      received: (arrival, at) => order.push(`shown at ${at.addresses[arrival.local].text}`),
    };
    const [a, b] = ['10.0.0.1', '10.0.0.2'].map((address) => withCapture(sim.node(address), tap));
    put(flowTo(a, b), pattern(9, 9));
    a.flush();
    sim.run();
    b.poll(() => order.push('received'), 1);
    assert.deepEqual(order, ['sent', 'shown at 10.0.0.2', 'received']);
  });

  it('can be switched on and off, and asks for checksums', () => {
    const sim = new Simulation();
    const link = withCapture(withLoopback(sim.node('10.0.0.1')));
    const tap = new Recorder();
    for (const now of [null, tap, null]) {
      link.tap = now;
      put(flowTo(link, link), pattern(9, 9));
      link.flush();
      link.poll(() => {}, 10);
    }
    assert.equal(tap.out.length, 1);
    assert.equal(tap.in.length, 1);
    assert.equal(link.needsChecksum, true);
  });

  it('sees what the program sent outside of faults, and what was on the wire inside', () => {
    const sim = new Simulation();
    const b = sim.node('10.0.0.2');
    const [outside, inside] = [new Recorder(), new Recorder()];
    const faults = withFaults(withCapture(sim.node('10.0.0.1'), inside), { loss: 0.3, duplicate: 0.3 }, sim.clock);
    const a = withCapture(faults, outside);
    for (let i = 0; i < 100; i++) put(flowTo(a, b), pattern(20, i));
    a.flush();
    const { lost, duplicated } = faults.counters;
    assert.ok(lost > 0 && duplicated > 0);
    assert.equal(outside.out.length, 100);
    assert.equal(inside.out.length, 100 - lost + duplicated);
    sim.run();
    assert.equal(
      b.poll(() => {}, 1000),
      inside.out.length,
    );
  });
});
