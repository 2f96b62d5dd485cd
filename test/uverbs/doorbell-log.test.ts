import assert from 'node:assert/strict';
import { writeSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { SharedFile } from '../../src/os/memfd.ts';
import { DoorbellLog } from '../../src/uverbs/doorbell-log.ts';
import { u32, u64 } from './program.ts';
import { doorbell } from './verbs.ts';

function open(t: TestContext): { log: DoorbellLog; rung: number[]; write: (...bytes: Buffer[]) => void } {
  const file = new SharedFile('log-test', 2 ** 40);
  t.after(() => file.close());
  const rung: number[] = [];
  let at = 0;
  const write = (...parts: Buffer[]): void => {
    for (const bytes of parts) {
      writeSync(file.fd, bytes, 0, bytes.length, at);
      at += bytes.length;
    }
  };
  return { log: new DoorbellLog(file, (handle) => rung.push(handle)), rung, write };
}

test('doorbells are read in order, through many windows, each once', (t) => {
  const { log, rung, write } = open(t);
  const count = 30_000;
  const all = Buffer.concat(Array.from({ length: count }, (_, n) => doorbell(n + 1)));
  for (let at = 0; at < all.length; at += 4096 * 7) {
    write(all.subarray(at, at + 4096 * 7));
    while (log.take() > 0);
    assert.equal(log.behind, false);
  }
  assert.deepEqual(
    rung,
    Array.from({ length: count }, (_, n) => n + 1),
  );
  assert.equal(log.take(), 0);
});

test('one look takes a bounded number', (t) => {
  const { log, rung, write } = open(t);
  write(Buffer.concat(Array.from({ length: 5000 }, () => doorbell(3))));
  const first = log.take();
  assert.ok(first > 0 && first < 5000);
  assert.equal(log.behind, true);
  while (log.behind) log.take();
  assert.equal(rung.length, 5000);
});

test('a record that is half written waits for its end', (t) => {
  const { log, rung, write } = open(t);
  const record = doorbell(9);
  write(record.subarray(0, 12));
  assert.equal(log.take(), 0);
  write(record.subarray(12, 20));
  assert.equal(log.take(), 0);
  write(record.subarray(20));
  assert.equal(log.take(), 1);
  assert.deepEqual(rung, [9]);
});

test('what is no doorbell is passed over', (t) => {
  const { log, rung, write } = open(t);
  const allocPd = Buffer.concat([u32(3, 4 | (1 << 16)), u64(0x1234)]);
  const exQueryDevice = Buffer.concat([u32(0x80000001, 1 | (38 << 16)), u64(0x5678), u32(0, 0), u64(0)]);
  const getContext = Buffer.concat([u32(0, 4 | (2 << 16)), u64(0x9abc)]);
  write(getContext, doorbell(1), allocPd, doorbell(2), exQueryDevice, doorbell(3));
  const broken = doorbell(0);
  write(broken, doorbell(4));
  while (log.take() > 0);
  assert.deepEqual(rung, [1, 2, 3, 4]);
});

test('garbage of all kinds neither throws nor stops', (t) => {
  const { log, write } = open(t);
  let x = 12345;
  const garbage = Buffer.alloc(1 << 20);
  for (let i = 0; i < garbage.length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    garbage[i] = x >>> 16;
  }
  write(garbage);
  for (let n = 0; n < 2000; n++) log.take();
});
