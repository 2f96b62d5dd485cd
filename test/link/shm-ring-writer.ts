// The other thread of a test: puts numbered datagrams into a ring, now fast, now slowly.
import { workerData } from 'node:worker_threads';
import { Reader, RingWriter } from '../../src/link/shm-ring.ts';

const { memory, bell, count } = workerData as { memory: SharedArrayBuffer; bell: SharedArrayBuffer; count: number };
const writer = new RingWriter(Buffer.from(memory));
const rings = new Int32Array(bell);

function publish(): void {
  if (writer.publish() !== Reader.ASLEEP || !writer.rouse()) return;
  Atomics.add(rings, 0, 1);
  Atomics.notify(rings, 0);
}

for (let n = 0; n < count; ) {
  const length = 8 + ((n * 7919) % 3000);
  const at = writer.reserve(length, 0);
  if (at >= 0) {
    writer.buf.writeUInt32LE(n, at);
    writer.buf.writeUInt32LE(~n >>> 0, at + length - 4);
    writer.commit();
    n++;
  }
  if (at < 0 || n % 13 === 0) publish();
  if (n % 4999 === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}
publish();
