import assert from 'node:assert/strict';
import { closeSync, openSync, readSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { EventOwner, EventStream } from '../../src/uverbs/event-stream.ts';

const O_NONBLOCK = 0o4000;
const PIPE_EVENTS = 65536 / 8;

function stream(t: TestContext): { stream: EventStream; read: (events?: number) => number[]; hangUp: () => void } {
  const it = new EventStream('completions', 8);
  let fd = it.pipe.giveReadEnd((end) => openSync(`/proc/self/fd/${end}`, O_NONBLOCK));
  const hangUp = (): void => {
    if (fd >= 0) closeSync(fd);
    fd = -1;
  };
  t.after(() => {
    it.close();
    hangUp();
  });
  const read = (events = 1 << 16): number[] => {
    const bytes = Buffer.alloc(events * 8);
    let n = 0;
    try {
      n = readSync(fd, bytes, 0, bytes.length, null);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
    }
    return Array.from({ length: n / 8 }, (_, i) => bytes.readUInt32LE(i * 8));
  };
  return { stream: it, read, hangUp };
}

const record = (n: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(n);
  return bytes;
};

test('what does not fit into the pipe waits, in order', (t) => {
  const { stream: it, read } = stream(t);
  const owner = new EventOwner(1, 0);
  const count = PIPE_EVENTS + 1000;
  for (let n = 0; n < count; n++) it.send(record(n), owner);
  assert.equal(owner.completions, PIPE_EVENTS, 'given to the program');
  assert.equal(it.retry(), true);
  const seen = [...read(500)];
  while (it.retry()) seen.push(...read(100));
  seen.push(...read());
  assert.deepEqual(
    seen,
    Array.from({ length: count }, (_, n) => n),
  );
  assert.equal(owner.completions, count);
});

test('withdrawing takes from the pipe and from what waits, and leaves the rest in order', (t) => {
  const { stream: it, read } = stream(t);
  const owners = [new EventOwner(0, 0), new EventOwner(1, 0), new EventOwner(2, 0)];
  const count = PIPE_EVENTS + 300;
  for (let n = 0; n < count; n++) it.send(record(n), owners[n % 3]);
  const first = read(10);
  it.withdraw(owners[1]);
  assert.equal(owners[1].completions, first.filter((n) => n % 3 === 1).length);
  const seen = [...first.filter((n) => n % 3 !== 1)];
  while (it.retry()) seen.push(...read());
  seen.push(...read());
  assert.deepEqual(
    seen,
    Array.from({ length: count }, (_, n) => n).filter((n) => n % 3 !== 1),
  );
  assert.equal(owners[0].completions + owners[2].completions, seen.length);
  it.withdraw(owners[0]);
  assert.equal(owners[0].completions, Math.ceil(count / 3), 'all of its were read');
});

test('withdrawing many times, with reads between, keeps the counts right', (t) => {
  const { stream: it, read } = stream(t);
  for (let round = 0; round < 200; round++) {
    const [kept, gone] = [new EventOwner(1, 0), new EventOwner(2, 0)];
    for (let n = 0; n < 7; n++) it.send(record(n), n % 2 === 0 ? kept : gone);
    const got = read(round % 8);
    it.withdraw(gone);
    assert.equal(gone.completions, got.filter((n) => n % 2 === 1).length);
    read();
    it.withdraw(kept);
    assert.equal(kept.completions, 4);
  }
});

test('a channel that nobody reads any more', (t) => {
  const { stream: it, hangUp } = stream(t);
  assert.equal(it.pipe.hasReader, true);
  hangUp();
  assert.equal(it.pipe.hasReader, false);
  const owner = new EventOwner(1, 0);
  it.send(record(1), owner);
  it.send(record(2), owner);
  assert.deepEqual([owner.completions, it.abandoned, it.retry()], [0, true, false]);
});
