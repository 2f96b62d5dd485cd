// The ring in memory that carries datagrams between devices of one host.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { JUMBO, JUMBO_HEAD, NO_JUMBO } from '../../src/link/jumbo.ts';
import { type Hand, Reader, RING_BYTES, RingReader, RingWriter } from '../../src/link/shm-ring.ts';
import { pattern } from './conformance.ts';

const SEED = 20261128;

function ring(): { memory: Buffer; writer: RingWriter; reader: RingReader } {
  const memory = Buffer.alloc(RING_BYTES);
  return { memory, writer: new RingWriter(memory), reader: new RingReader(memory, true) };
}

function put(writer: RingWriter, data: Buffer, tos = 0): boolean {
  const at = writer.reserve(data.length, tos);
  if (at < 0) return false;
  data.copy(writer.buf, at);
  writer.commit();
  return true;
}

function takeAll(reader: RingReader, most = 1000): { data: Buffer; tos: number }[] {
  const got: { data: Buffer; tos: number }[] = [];
  const hand: Hand = (off, length, tos, inRing) => {
    assert.equal(inRing >= 0, length > NO_JUMBO);
    const head = reader.buf.subarray(off, off + (inRing < 0 ? length : JUMBO_HEAD));
    const rest = inRing < 0 ? Buffer.alloc(0) : reader.ring.subarray(inRing + JUMBO_HEAD, inRing + length);
    got.push({ data: Buffer.concat([head, rest]), tos });
  };
  while (reader.take(hand, most) > 0 || !reader.empty);
  return got;
}

test('what is put in comes out, in order, whatever the lengths and wherever the ring ends', () => {
  const { writer, reader } = ring();
  const length = fc.oneof(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 0, max: JUMBO }));
  let tag = 0;
  fc.assert(
    fc.property(fc.array(length, { maxLength: 60 }), fc.integer({ min: 1, max: 40 }), (lengths, most) => {
      const sent: Buffer[] = [];
      for (const n of lengths) {
        const data = pattern(n, tag++);
        if (put(writer, data, n & 255)) sent.push(data);
        else break;
      }

      writer.publish();
      const got = takeAll(reader, most);
      assert.equal(got.length, sent.length);
      got.forEach(({ data, tos }, i) => {
        assert.ok(data.equals(sent[i]), `datagram ${i} differs`);
        assert.equal(tos, sent[i].length & 255);
      });
      assert.equal(reader.broken, false);
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test('a full ring takes nothing, and everything again when it has been read', () => {
  const { writer, reader } = ring();
  for (let round = 0; round < 5; round++) {
    let count = 0;
    while (put(writer, pattern(4096, count))) count++;
    assert.ok(count > 200 && count * 4096 < RING_BYTES);
    writer.publish();
    assert.equal(takeAll(reader).length, count);
  }
});

test('an aborted reservation leaves no trace', () => {
  const { writer, reader } = ring();
  for (let i = 0; i < 1000; i++) {
    writer.reserve(JUMBO, 1);
    assert.ok(put(writer, pattern(3000, i)));
    writer.publish();
    const got = takeAll(reader);
    assert.deepEqual(
      got.map((g) => g.data),
      [pattern(3000, i)],
    );
  }
});

test('a reader that sleeps is to be woken once; one that goes is seen to have gone', () => {
  const { writer, reader } = ring();
  put(writer, pattern(10, 1));
  assert.equal(writer.publish(), Reader.AWAKE);
  assert.equal(reader.sleep(), false, 'there is something');
  takeAll(reader);
  assert.equal(reader.sleep(), true);
  assert.equal(writer.publish(), Reader.AWAKE, 'there is nothing new');
  put(writer, pattern(10, 2));
  assert.equal(writer.publish(), Reader.ASLEEP);
  assert.equal(writer.rouse(), true);
  assert.equal(writer.rouse(), false, 'it has been woken');
  put(writer, pattern(10, 3));
  assert.equal(writer.publish(), Reader.AWAKE);
  reader.sleep();
  reader.awake();
  put(writer, pattern(10, 4));
  assert.equal(writer.publish(), Reader.AWAKE);
  reader.close();
  put(writer, pattern(10, 5));
  assert.equal(writer.publish(), Reader.GONE);
});

test('a reader that reads nothing is seen to be stuck, one that reads a little is not', () => {
  const { writer, reader } = ring();
  const send = (): boolean => {
    put(writer, pattern(100, 1));
    writer.publish();
    return writer.stuck;
  };
  assert.equal(send(), false);
  assert.equal(send(), true);
  reader.take(() => {}, 1);
  assert.equal(send(), false);
  assert.equal(send(), true);
  takeAll(reader);
  assert.equal(send(), false);
});

test('a jumbo’s headers are copied before they are looked at, and its place is not written to before the next look', () => {
  const { memory, writer, reader } = ring();
  const jumbo = pattern(JUMBO, 1);
  let sent = 0;
  while (put(writer, jumbo)) sent++;
  put(writer, pattern(100, 2));
  writer.publish();
  let handed = 0;
  reader.take((off, length, _tos, inRing) => {
    memory.fill(0xee, inRing, inRing + JUMBO_HEAD);
    assert.deepEqual(reader.buf.subarray(off, off + JUMBO_HEAD), jumbo.subarray(0, JUMBO_HEAD));
    assert.deepEqual(memory.subarray(inRing + JUMBO_HEAD, inRing + length), jumbo.subarray(JUMBO_HEAD));
    handed++;
  }, 1000);
  assert.equal(handed, 2);
  assert.equal(put(writer, jumbo), false, 'still in use');
  assert.equal(takeAll(reader).length, sent - handed + 1);
  assert.equal(put(writer, jumbo), true);
});

test('a reader that sleeps uses nothing any more', () => {
  const { writer, reader } = ring();
  while (put(writer, pattern(JUMBO, 1)));
  writer.publish();
  reader.take(() => {}, 1000);
  assert.equal(put(writer, pattern(JUMBO, 2)), false);
  assert.equal(reader.sleep(), false);
  assert.equal(put(writer, pattern(JUMBO, 2)), true);
});

test('whatever the writer does to the ring, the reader hands over nothing that does not lie in what it has copied', () => {
  const words = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 600 }), fc.oneof(fc.integer(), fc.integer({ min: -64, max: 70000 }))),
    {
      maxLength: 40,
    },
  );
  fc.assert(
    fc.property(words, fc.boolean(), (writes, aligned) => {
      const { memory, writer, reader } = ring();
      const view = new Int32Array(memory.buffer, memory.byteOffset, RING_BYTES >> 2);
      for (let i = 0; i < 5; i++) put(writer, pattern(200, i));
      writer.publish();
      for (const [at, value] of writes) {
        // The first 64 are the page of indices: the tail is word 0.
        const word = at < 64 ? 0 : 1024 + (at - 64) * (aligned ? 4 : 1);
        view[word] = word === 0 && aligned ? value & ~15 : value;
        reader.take((off, length, _tos, inRing) => {
          const here = inRing < 0 ? length : JUMBO_HEAD;
          assert.ok(off >= 16 && length >= 0 && off + here <= reader.buf.length);
          assert.ok(inRing < 0 || (inRing >= 4096 + 16 && inRing + length <= RING_BYTES));
        }, 100);
      }
    }),
    { seed: SEED, numRuns: 2000 },
  );
});

test('whatever the reader says, the writer writes within the ring', () => {
  fc.assert(
    fc.property(fc.array(fc.integer(), { minLength: 1, maxLength: 20 }), (heads) => {
      const { memory, writer } = ring();
      const view = new Int32Array(memory.buffer, memory.byteOffset, RING_BYTES >> 2);
      for (const head of heads) {
        Atomics.store(view, 32, head);
        for (let i = 0; i < 300; i++) {
          const at = writer.reserve(4096, 0);
          if (at < 0) break;
          assert.ok(at >= 4096 + 16 && at + 4096 <= RING_BYTES);
          writer.commit();
        }
        writer.publish();
      }
    }),
    { seed: SEED, numRuns: 200 },
  );
});

test('between two threads nothing is lost, torn or missed while the reader sleeps', { timeout: 60_000 }, async () => {
  const COUNT = 200_000;
  const memory = Buffer.from(new SharedArrayBuffer(RING_BYTES));
  const bell = new Int32Array(new SharedArrayBuffer(4));
  const url = new URL('./shm-ring-writer.ts', import.meta.url);
  const worker = new Worker(url, { workerData: { memory: memory.buffer, bell: bell.buffer, count: COUNT } });
  const reader = new RingReader(memory);
  let next = 0;
  let slept = 0;
  const hand = (off: number, length: number): void => {
    assert.equal(reader.buf.readUInt32LE(off), next);
    assert.equal(length, 8 + ((next * 7919) % 3000));
    assert.equal(reader.buf.readUInt32LE(off + length - 4), ~next >>> 0);
    next++;
  };
  while (next < COUNT) {
    if (reader.take(hand, 128) > 0) continue;
    const rung = Atomics.load(bell, 0);
    if (!reader.sleep()) continue;
    slept++;
    // What wakes: it comes, or it is lost and this fails.
    assert.notEqual(Atomics.wait(bell, 0, rung, 20_000), 'timed-out');
    reader.awake();
  }
  assert.ok(slept > 0, 'the reader has never slept');
  assert.equal(reader.broken, false);
  await worker.terminate();
});
