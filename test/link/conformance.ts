// What every link must do, whatever moves its datagrams. Call linkConformance from a test file with a way to make a pair.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import type { Arrival, Flow, Link } from '../../src/link/link.ts';

/** Two links that reach each other (or one link twice, which reaches itself), without faults. */
export interface LinkPair {
  readonly a: Link;
  readonly b: Link;
  /** Lets what was flushed arrive, as far as it takes doing. Default: gives way to the event loop. */
  settle?(): void | Promise<void>;
  /** A group that `b` may join on its address 0; none where it cannot be tried. */
  readonly group?: Uint8Array;
  close?(): void | Promise<void>;
}

/** A copy of an arrival. */
export interface Got {
  readonly data: Buffer;
  readonly family: 4 | 6;
  readonly src: string;
  readonly sport: number;
  readonly dport: number;
  readonly local: number;
  readonly group: string | null;
  readonly tos: number;
}

const SEED = 20240611;
const DEADLINE_MS = 3000;

export function copyOf(arrival: Arrival): Got {
  return {
    data: Buffer.from(arrival.buf.subarray(arrival.off, arrival.off + arrival.len)),
    family: arrival.family,
    src: arrival.src.join('.'),
    sport: arrival.sport,
    dport: arrival.dport,
    local: arrival.local,
    group: arrival.group === null ? null : arrival.group.join('.'),
    tos: arrival.tos,
  };
}

/** Bytes that tell datagrams and positions apart. */
export function pattern(length: number, seed: number): Buffer {
  const data = Buffer.allocUnsafe(length);
  let x = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    data[i] = x >>> 24;
  }
  return data;
}

/** Commits one datagram; false when there is no room. */
export function put(flow: Flow, data: Buffer): boolean {
  const off = flow.link.reserve(flow, data.length);
  if (off < 0) return false;
  data.copy(flow.link.tx, off);
  flow.link.commit();
  return true;
}

export function flowTo(from: Link, to: Link, options: { tos?: number; ttl?: number } = {}): Flow {
  return from.flow({ local: 0, dst: to.addresses[0].bytes, dport: portOf(to), ...options });
}

function portOf(link: Link): number {
  return link.flow({ local: 0, dst: link.addresses[0].bytes, dport: 4791 }).sport;
}

const headers = (link: Link): number => (link.addresses[0].family === 4 ? 28 : 48);

async function settle(pair: LinkPair): Promise<void> {
  if (pair.settle) await pair.settle();
  else await sleep(1);
}

async function flushAll(pair: LinkPair, link: Link): Promise<void> {
  for (const end = Date.now() + DEADLINE_MS; !link.flush(); ) {
    assert.ok(Date.now() < end, 'flush never took all');
    await settle(pair);
  }
}

/** Polls until `count` datagrams came, then makes sure that no more do. */
export async function receiveFrom(pair: LinkPair, link: Link, count: number, budget = 64): Promise<Got[]> {
  const got: Got[] = [];
  const take = (): number => link.poll((arrival) => got.push(copyOf(arrival)), budget);
  for (const end = Date.now() + DEADLINE_MS; got.length < count && Date.now() < end; ) {
    if (take() === 0) await settle(pair);
  }
  await settle(pair);
  while (take() > 0);
  return got;
}

/** The tests that every link passes: what is committed arrives, byte for byte and in order, and says where it came from. */
export function linkConformance(name: string, makePair: () => LinkPair | Promise<LinkPair>): void {
  async function withPair(run: (pair: LinkPair) => Promise<void>): Promise<void> {
    const pair = await makePair();
    try {
      await run(pair);
    } finally {
      pair.a.close();
      if (pair.b !== pair.a) pair.b.close();
      await pair.close?.();
    }
  }

  describe(`link conformance: ${name}`, () => {
    it('delivers what was committed, byte for byte and in order', () =>
      withPair(async (pair) => {
        const { a, b } = pair;
        const flow = flowTo(a, b);
        const largest = Math.min(a.mtu, 4200) - headers(a);
        let tag = 0;
        const length = fc.oneof(fc.integer({ min: 12, max: 300 }), fc.integer({ min: 12, max: largest }));
        const batches = fc.array(fc.array(length, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 4 });
        await fc.assert(
          fc.asyncProperty(batches, async (runs) => {
            const sent: Buffer[] = [];
            for (const run of runs) {
              for (const n of run) {
                const data = pattern(n, tag++);
                assert.ok(put(flow, data), 'no room for 80 datagrams');
                sent.push(data);
              }
              await flushAll(pair, a);
            }
            const got = await receiveFrom(pair, b, sent.length);
            assert.equal(got.length, sent.length);
            for (const [i, { data }] of got.entries()) assert.ok(data.equals(sent[i]), `datagram ${i} differs`);
          }),
          { seed: SEED, numRuns: 25 },
        );
      }));

    it('says where a datagram came from and went to', () =>
      withPair(async (pair) => {
        const { a, b } = pair;
        const flow = flowTo(a, b);
        put(flow, pattern(40, 1));
        await flushAll(pair, a);
        const [got] = await receiveFrom(pair, b, 1);
        assert.equal(got.family, a.addresses[0].family);
        assert.equal(got.src, a.addresses[0].bytes.join('.'));
        assert.equal(got.sport, flow.sport);
        assert.equal(got.dport, flow.dport);
        assert.equal(got.local, 0);
        assert.equal(got.group, null);
        assert.ok(got.tos === 0 || got.tos === -1);
      }));

    it('delivers the TOS, or says that it cannot tell', () =>
      withPair(async (pair) => {
        const flow = flowTo(pair.a, pair.b, { tos: 0x6a });
        assert.equal(flow.tos, 0x6a);
        put(flow, pattern(40, 2));
        await flushAll(pair, pair.a);
        const [got] = await receiveFrom(pair, pair.b, 1);
        assert.ok(got.tos === 0x6a || got.tos === -1, `TOS is ${got.tos}`);
      }));

    it('gives the same flow for the same way', () =>
      withPair(async ({ a, b }) => {
        const flow = flowTo(a, b);
        assert.equal(flowTo(a, b), flow);
        assert.notEqual(flowTo(a, b, { tos: 4 }), flow);
        assert.deepEqual([...flow.dst], [...b.addresses[0].bytes]);
        assert.deepEqual([...flow.src], [...a.addresses[0].bytes]);
        assert.throws(() => a.flow({ local: 99, dst: b.addresses[0].bytes, dport: 4791 }));
      }));

    it('sends nothing before flush, and nothing that was aborted', () =>
      withPair(async (pair) => {
        const flow = flowTo(pair.a, pair.b);
        const { link } = flow;
        put(flow, pattern(50, 1));
        const off = link.reserve(flow, 60);
        link.tx.fill(0xee, off, off + 60);
        link.abort();
        put(flow, pattern(70, 3));
        assert.deepEqual(await receiveFrom(pair, pair.b, 0), []);
        await flushAll(pair, pair.a);
        const got = await receiveFrom(pair, pair.b, 2);
        assert.deepEqual(
          got.map((g) => g.data),
          [pattern(50, 1), pattern(70, 3)],
        );
      }));

    it('is unharmed by aborted and short reservations at the edges of its buffers', () =>
      withPair(async (pair) => {
        const flow = flowTo(pair.a, pair.b);
        const largest = Math.min(pair.a.mtu, 4200) - headers(pair.a);
        const sent: Buffer[] = [];
        for (let i = 0; i < 40; i++) {
          if (flow.link.reserve(flow, largest) >= 0) flow.link.abort();
          const data = pattern(i % 3 === 0 ? largest : 12 + i, i);
          assert.ok(put(flow, data));
          sent.push(data);
        }
        await flushAll(pair, pair.a);
        const got = await receiveFrom(pair, pair.b, sent.length);
        assert.deepEqual(
          got.map((g) => g.data),
          sent,
        );
      }));

    it('takes many more than fit at once when it is flushed and polled', () =>
      withPair(async (pair) => {
        const { a, b } = pair;
        const flow = flowTo(a, b);
        const total = 4000;
        const window = Math.min(b.window, 64 * 1024);
        let sent = 0;
        let got = 0;
        for (const end = Date.now() + DEADLINE_MS; got < total && Date.now() < end; ) {
          while (sent < total && (sent - got) * 512 < window && put(flow, pattern(512, sent))) sent++;
          a.flush();
          const count = b.poll((arrival) => {
            assert.ok(copyOf(arrival).data.equals(pattern(512, got)), `datagram ${got} differs`);
            got++;
          }, 64);
          if (count === 0) await settle(pair);
        }
        assert.equal(got, total);
      }));

    it('lets the receiver answer from inside poll', () =>
      withPair(async (pair) => {
        const { a, b } = pair;
        const there = flowTo(a, b);
        const back = flowTo(b, a, { tos: 8 });
        for (let i = 0; i < 20; i++) put(there, pattern(100 + i, i));
        await flushAll(pair, a);
        let requests = 0;
        const answers: Buffer[] = [];
        const receive = (arrival: Arrival): void => {
          const { data } = copyOf(arrival);
          // A link to itself gets its own answers: they start with 0xff.
          if (data[0] === 0xff && data.length === 64) {
            answers.push(data);
            return;
          }
          assert.ok(data.equals(pattern(100 + requests, requests)));
          const answer = Buffer.alloc(64, requests++);
          answer[0] = 0xff;
          assert.ok(put(back, answer));
          b.flush();
          // The arrival's bytes must still be what they were.
          assert.ok(copyOf(arrival).data.equals(data), 'sending wrote over what is being received');
        };
        for (const end = Date.now() + DEADLINE_MS; answers.length < 20 && Date.now() < end; ) {
          await settle(pair);
          b.poll(receive, 64);
          if (a !== b) a.poll(receive, 64);
        }
        assert.equal(requests, 20);
        assert.deepEqual(
          answers.map((x) => x[1]),
          Array.from({ length: 20 }, (_, i) => i),
        );
      }));

    it('hands over what is left when the budget was small', () =>
      withPair(async (pair) => {
        const flow = flowTo(pair.a, pair.b);
        const sent = Array.from({ length: 30 }, (_, i) => pattern(33 + i, i));
        for (const data of sent) put(flow, data);
        await flushAll(pair, pair.a);
        const got = await receiveFrom(pair, pair.b, 30, 1);
        assert.deepEqual(
          got.map((g) => g.data),
          sent,
        );
      }));

    it('has descriptors to wait for, or calls onArrival', () =>
      withPair(async (pair) => {
        const { a, b } = pair;
        const flow = flowTo(a, b);
        let calls = 0;
        b.onArrival = () => calls++;
        for (let round = 1; round <= 3; round++) {
          for (let i = 0; i < 3; i++) put(flow, pattern(20, i));
          await flushAll(pair, a);
          if (flow.link.fds.length === 0) {
            for (const end = Date.now() + DEADLINE_MS; calls < round && Date.now() < end; ) await settle(pair);
            assert.ok(calls >= round, 'onArrival was not called');
          }
          assert.equal((await receiveFrom(pair, b, 3)).length, 3);
        }
      }));

    it('counts what it sends and receives', () =>
      withPair(async (pair) => {
        const { a, b } = pair;
        const flow = flowTo(a, b);
        const [tx, rx] = [{ ...a.stats }, { ...b.stats }];
        for (const n of [100, 200, 300]) put(flow, pattern(n, n));
        await flushAll(pair, a);
        await receiveFrom(pair, b, 3);
        assert.equal(a.stats.txPackets - tx.txPackets, 3);
        assert.equal(a.stats.txBytes - tx.txBytes, 600);
        assert.equal(b.stats.rxPackets - rx.rxPackets, 3);
        assert.equal(b.stats.rxBytes - rx.rxBytes, 600);
        assert.equal(a.stats.txErrors, 0);
      }));

    it('delivers multicast to who joined, and no longer once it left', () =>
      withPair(async (pair) => {
        const { a, b, group } = pair;
        if (group === undefined) return;
        const flow = a.flow({ local: 0, dst: group, dport: flowTo(a, b).dport });
        b.join(0, group);
        // A link may need a moment to join.
        for (let i = 0; i < 3; i++) await settle(pair);
        put(flow, pattern(99, 1));
        await flushAll(pair, a);
        const [got] = await receiveFrom(pair, b, 1);
        assert.ok(got?.data.equals(pattern(99, 1)));
        assert.equal(got.group, group.join('.'));
        assert.equal(got.local, 0);
        b.leave(0, group);
        await settle(pair);
        put(flow, pattern(99, 2));
        await flushAll(pair, a);
        assert.deepEqual(await receiveFrom(pair, b, 0), []);
      }));

    it('may be closed twice and polled after', () =>
      withPair(async ({ a }) => {
        a.close();
        a.close();
        assert.equal(
          a.poll(() => assert.fail('closed'), 64),
          0,
        );
      }));
  });
}
