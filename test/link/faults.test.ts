import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Decorator } from '../../src/link/decorator.ts';
import { type FaultOptions, withFaults } from '../../src/link/faults.ts';
import { withLoopback } from '../../src/link/host.ts';
import type { Flow, Link } from '../../src/link/link.ts';
import { LoopbackLink } from '../../src/link/loopback.ts';
import { Simulation } from '../../src/link/sim.ts';
import { flowTo, linkConformance, pattern, put } from './conformance.ts';
import { assertRate } from './statistics.ts';

const GROUP = Uint8Array.of(239, 1, 2, 3);
/** Switches copying on and never happens. */
const NEVER = 1e-300;

function simulatedPair(options: FaultOptions) {
  const sim = new Simulation();
  const [a, b] = ['10.0.0.1', '10.0.0.2'].map((address) => withFaults(sim.node(address), options, sim.clock));
  const settle = () => {
    sim.run();
    const due = Math.min(a.nextDue(), b.nextDue());
    if (due < Number.POSITIVE_INFINITY) sim.run(due);
    for (const link of [a, b]) link.poll(() => assert.fail('with a budget of 0'), 0);
    sim.run();
  };
  return { a, b, settle, group: GROUP };
}

linkConformance('faults of probability 0', () => simulatedPair({}));
linkConformance('faults that copy', () => simulatedPair({ duplicate: NEVER }));
linkConformance('delays', () => simulatedPair({ delayUs: 50, delayJitterUs: 100 }));
linkConformance('faults of probability 0 on a host, to itself', () => {
  const sim = new Simulation({ loss: 1 });
  const a = withFaults(withLoopback(sim.node('10.0.0.1')), { duplicate: NEVER }, sim.clock);
  return { a, b: a, settle: () => sim.run() };
});

/** A link with a clock of its own. */
function clocked(options: FaultOptions) {
  const clock = { now: 0 };
  const link = withFaults(new LoopbackLink({ addresses: ['10.0.0.1'] }), options, () => clock.now);
  return { clock, link, flow: flowTo(link, link) };
}

/** Sends numbered datagrams, one per microsecond, and returns what comes: the number, or -1 where the bytes are wrong. */
function numbersThrough(options: FaultOptions, count: number) {
  const { clock, link, flow } = clocked(options);
  const got: number[] = [];
  const poll = () =>
    link.poll((arrival) => {
      const data = arrival.buf.subarray(arrival.off, arrival.off + arrival.len);
      const n = data.readUInt32LE(0);
      got.push(numbered(n).equals(data) ? n : -1);
    }, 1000);
  for (let i = 0; i < count; i++) {
    clock.now = i;
    put(flow, numbered(i));
    link.flush();
    poll();
  }
  for (let due = link.nextDue(); due < Number.POSITIVE_INFINITY; due = link.nextDue()) {
    clock.now = Math.max(due, clock.now);
    link.flush();
    poll();
  }
  return { got, counters: link.counters };
}

function numbered(n: number): Buffer {
  const data = pattern(48, n);
  data.writeUInt32LE(n >>> 0);
  return data;
}

describe('withFaults', () => {
  const N = 10_000;
  for (const direction of ['tx', 'rx'] as const) {
    it(`has each fault as often as asked: ${direction}`, () => {
      const lost = numbersThrough({ loss: 0.1, direction }, N);
      assertRate(N - lost.got.length, N, 0.1, 'loss');
      assert.equal(lost.counters.lost, N - lost.got.length);

      const twice = numbersThrough({ duplicate: 0.2, direction }, N);
      assertRate(twice.got.length - N, N, 0.2, 'duplicate');
      assert.equal(new Set(twice.got).size, N);

      const damaged = numbersThrough({ corrupt: 0.1, direction }, N);
      const bad = damaged.got.filter((n) => n === -1).length;
      assertRate(bad, N, 0.1, 'corrupt');
      assert.equal(damaged.counters.corrupted, bad);
      assert.equal(damaged.got.length, N);

      const mixed = numbersThrough({ reorder: 0.1, reorderUs: 5, direction }, N);
      assert.deepEqual(
        mixed.got.toSorted((x, y) => x - y),
        Array.from({ length: N }, (_, i) => i),
      );
      const late = mixed.got.filter((n, i) => i > 0 && n < mixed.got[i - 1]).length;
      assertRate(mixed.counters.reordered, N, 0.1, 'reorder');
      assert.ok(late > N * 0.05, `only ${late} were overtaken`);
    });
  }

  it('acts in both directions by default, each with its own chance', () => {
    const { got, counters } = numbersThrough({ loss: 0.5 }, N);
    assertRate(got.length, N, 0.25, 'what passes both');
    assert.equal(counters.lost, N - got.length);
  });

  it('has the same faults with the same seed, and others with another', () => {
    const probability = fc.double({ min: 0, max: 0.3, noNaN: true });
    const faults = fc.record({
      loss: probability,
      duplicate: probability,
      reorder: probability,
      corrupt: probability,
      delayUs: fc.integer({ min: 0, max: 20 }),
      delayJitterUs: fc.integer({ min: 0, max: 20 }),
      direction: fc.constantFrom('tx' as const, 'rx' as const, 'both' as const),
    });
    fc.assert(
      fc.property(faults, fc.nat(), (options, seed) => {
        const first = numbersThrough({ ...options, seed }, 200);
        assert.deepEqual(numbersThrough({ ...options, seed }, 200), first);
      }),
      { seed: 4, numRuns: 50 },
    );
    const other = (seed: number) => numbersThrough({ loss: 0.5, seed }, 200).got;
    assert.notDeepEqual(other(1), other(2));
  });

  it('delays by the clock, keeps order, and says when it is due', () => {
    const { clock, link, flow } = clocked({ delayUs: 100, direction: 'tx' });
    const got: number[] = [];
    const poll = () => link.poll((arrival) => got.push(arrival.buf[arrival.off]), 100);
    assert.equal(link.nextDue(), Number.POSITIVE_INFINITY);
    for (const at of [0, 10, 20]) {
      clock.now = at;
      put(flow, Buffer.of(at));
      link.flush();
    }
    assert.equal(link.nextDue(), 100);
    clock.now = 99;
    poll();
    assert.deepEqual(got, []);
    clock.now = 110;
    poll();
    assert.deepEqual(got, [0, 10]);
    assert.equal(link.nextDue(), 120);
    clock.now = 120;
    link.flush();
    poll();
    assert.deepEqual(got, [0, 10, 20]);
    link.set({ delayUs: 7, direction: 'rx' });
    put(flow, Buffer.of(1));
    link.flush();
    poll();
    assert.equal(link.nextDue(), 127);
    clock.now = 127;
    poll();
    assert.deepEqual(got, [0, 10, 20, 1]);
  });

  it('keeps order when faults are switched off while datagrams are held back', () => {
    for (const direction of ['tx', 'rx'] as const) {
      const { clock, link, flow } = clocked({ delayUs: 100, direction });
      const got: number[] = [];
      const poll = () => link.poll((arrival) => got.push(arrival.buf[arrival.off]), 100);
      put(flow, Buffer.of(1));
      link.flush();
      poll();
      link.set({ delayUs: 0 });
      put(flow, Buffer.of(2));
      link.flush();
      poll();
      assert.deepEqual(got, []);
      clock.now = 100;
      link.flush();
      poll();
      assert.deepEqual(got, [1, 2], direction);
      put(flow, Buffer.of(3));
      link.flush();
      poll();
      assert.deepEqual(got, [1, 2, 3], direction);
    }
  });

  it('vouches for nothing, not even over a link that cannot damage what it carries', () => {
    const { link, flow } = clocked({});
    assert.equal(link.needsChecksum, true);
    put(flow, Buffer.of(1));
    link.flush();
    link.poll((arrival) => assert.equal(arrival.trusted, false), 1);
  });
});

/** Numbers the datagrams of a flush 0, 1, 2 …, as the kernel does, and checks that each says the number it gets. */
class Numbering extends Decorator {
  readonly sent: number[] = [];
  private next = 0;
  private off = 0;

  constructor(inner: Link) {
    super(inner);
    this.off = 0;
  }

  override reserve(flow: Flow, length: number): number {
    this.off = super.reserve(flow, length);
    this.txId = this.next;
    return this.off;
  }

  override commit(): void {
    assert.equal(this.tx.readUInt16LE(this.off), this.next++, 'sent with another identification than signed for');
    this.sent.push(this.tx.readUInt32LE(this.off + 4));
    super.commit();
  }

  override flush(): boolean {
    this.next = 0;
    return super.flush();
  }
}

describe('the IPv4 identification under withFaults', () => {
  it('is always the one that was signed for, whatever the faults and when they change', () => {
    const some = fc.constantFrom(0, 0, 0.3);
    const faults = fc.record({
      loss: some,
      duplicate: some,
      reorder: some,
      reorderUs: fc.integer({ min: 0, max: 30 }),
      delayUs: fc.constantFrom(0, 0, 5),
      delayJitterUs: fc.constantFrom(0, 0, 9),
    });
    const action = fc.oneof(
      { weight: 8, arbitrary: fc.record({ send: fc.integer({ min: 1, max: 8 }) }) },
      { weight: 4, arbitrary: fc.constant('flush' as const) },
      { weight: 2, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 20 }) }) },
      { weight: 1, arbitrary: fc.constant('poll' as const) },
      { weight: 1, arbitrary: faults },
    );
    fc.assert(
      fc.property(faults, fc.nat(), fc.array(action, { maxLength: 60 }), (options, seed, actions) => {
        const clock = { now: 0 };
        const wire = new Numbering(new LoopbackLink({ addresses: ['10.0.0.1'] }));
        const link = withFaults(wire, { ...options, seed, direction: 'tx' }, () => clock.now);
        const flow = flowTo(link, link);
        let count = 0;
        for (const step of actions) {
          if (step === 'flush') link.flush();
          else if (step === 'poll') link.poll(() => {}, 100);
          else if ('wait' in step) clock.now += step.wait;
          else if ('send' in step) {
            for (let i = 0; i < step.send; i++) {
              const off = flow.link.reserve(flow, 8);
              flow.link.tx.writeUInt16LE(flow.link.txId, off);
              flow.link.tx.writeUInt32LE(count++, off + 4);
              if (i % 4 === 3) flow.link.abort();
              else flow.link.commit();
            }
          } else link.set(step);
        }
        link.flush();
        clock.now += 1000;
        link.flush();
        assert.equal(link.nextDue(), Number.POSITIVE_INFINITY);
        const aborted = actions.reduce((n, s) => n + (typeof s === 'object' && 'send' in s ? s.send >> 2 : 0), 0);
        const { lost, duplicated } = link.counters;
        assert.equal(wire.sent.length, count - aborted - lost + duplicated);
      }),
      { seed: 5, numRuns: 300 },
    );
  });
});
