// The order of matching, against a model that only says what the rules say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Envelope, MatchedQueue, matches, type Tag, type Wanted } from '../../../src/drivers/psm/matched-queue.ts';
import { itemsOf } from './world.ts';

/** Tags as the 96-bit numbers they are. */
const number = (t: Tag): bigint => (BigInt(t[0] >>> 0) << 64n) | (BigInt(t[1] >>> 0) << 32n) | BigInt(t[2] >>> 0);
const fits = (w: Wanted, m: Envelope): boolean =>
  (w.source === null || w.source === m.source) &&
  (number(w.tag) & number(w.select)) === (number(m.tag) & number(w.select));

/** Everything that was ever posted or has come, and what took what. */
class Model {
  readonly receives: { readonly it: Wanted; gone: boolean }[] = [];
  readonly messages: { readonly it: Envelope; gone: boolean }[] = [];

  post(it: Wanted): Envelope | null {
    const message = this.first(it);
    this.receives.push({ it, gone: message !== null });
    if (message !== null) message.gone = true;
    return message?.it ?? null;
  }

  arrive(it: Envelope): Wanted | null {
    const receive = this.receives.find((r) => !r.gone && fits(r.it, it));
    this.messages.push({ it, gone: receive !== undefined });
    if (receive !== undefined) receive.gone = true;
    return receive?.it ?? null;
  }

  first(it: Wanted): { readonly it: Envelope; gone: boolean } | null {
    return this.messages.find((m) => !m.gone && fits(it, m.it)) ?? null;
  }

  cancel(it: Wanted): boolean {
    const receive = this.receives.find((r) => !r.gone && r.it === it);
    if (receive !== undefined) receive.gone = true;
    return receive !== undefined;
  }
}

// Few values, so that they match often; the highest bits, because words are signed in JavaScript.
const word = fc.constantFrom(0, 1, 0x80000000, 0xffffffff);
const tag: fc.Arbitrary<Tag> = fc.tuple(word, word, word);
const select: fc.Arbitrary<Tag> = fc.tuple(word, word, word);
const source = fc.nat(2);
const wanted = fc.record({ source: fc.option(source), tag, select });

const event = fc.oneof(
  fc.record({ type: fc.constant('post' as const), wanted }),
  fc.record({ type: fc.constant('arrive' as const), message: fc.record({ source, tag }) }),
  fc.record({ type: fc.constant('probe' as const), wanted }),
  fc.record({ type: fc.constant('take' as const), wanted }),
  fc.record({ type: fc.constant('cancel' as const), which: fc.nat(1000) }),
);

test('any sequence of posts, arrivals, probes and cancels', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 120 }), (events) => {
      const [queue, model] = [new MatchedQueue<Envelope, Wanted>(), new Model()];
      for (const e of events) {
        if (e.type === 'post') assert.equal(queue.post(e.wanted), model.post(e.wanted));
        else if (e.type === 'arrive') assert.equal(queue.arrive(e.message), model.arrive(e.message));
        else if (e.type === 'probe') assert.equal(queue.probe(e.wanted), model.first(e.wanted)?.it ?? null);
        else if (e.type === 'take') {
          const found = model.first(e.wanted);
          if (found !== null) found.gone = true;
          assert.equal(queue.take(e.wanted), found?.it ?? null);
        } else if (model.receives.length > 0) {
          const { it } = model.receives[e.which % model.receives.length];
          assert.equal(queue.cancel((receive) => receive === it) !== null, model.cancel(it));
        }
      }
      const left = <T>(all: { readonly it: T; readonly gone: boolean }[]): T[] =>
        all.filter((x) => !x.gone).map((x) => x.it);
      assert.deepEqual(itemsOf(queue.posted), left(model.receives));
      assert.deepEqual(itemsOf(queue.unexpected), left(model.messages));
    }),
    { seed: 96, numRuns: 500 },
  );
});

test('matching looks at the selected bits alone, all 96 of them', () => {
  fc.assert(
    fc.property(fc.record({ source, tag }), wanted, (message, w) =>
      assert.equal(matches(w, message), fits(w, message)),
    ),
    { seed: 5, numRuns: 500 },
  );
  for (let bit = 0; bit < 96; bit++) {
    const t: Tag = [0, 1, 2].map((i) => (i === bit >> 5 ? (1 << (bit & 31)) >>> 0 : 0)) as unknown as Tag;
    assert.ok(!matches({ source: null, tag: [0, 0, 0], select: t }, { source: 1, tag: t }), `bit ${bit}`);
  }
});
