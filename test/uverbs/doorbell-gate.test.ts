import assert from 'node:assert/strict';
import { closeSync, openSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { Host, u32, u64 } from './program.ts';
import { allocPd, connect, createCq, createQp, doorbell, getContext, modifyQp } from './verbs.ts';

const O_RDWR = 2;

test('a doorbell fails with EINVAL while no queue pair is ready for one', (t) => {
  const host = new Host(t);
  const p = host.open(t);
  const fd = openSync(`/proc/self/fd/${p.file.fd}`, O_RDWR);
  t.after(() => closeSync(fd));
  p.withFile = (use) => use(fd);
  const ring = (handle: number): string => {
    try {
      writeSync(fd, doorbell(handle));
    } catch (error) {
      return (error as NodeJS.ErrnoException).code!;
    }
    return p.file.takeDoorbells() === 1 ? 'rung' : 'lost';
  };
  getContext(p);
  const pd = allocPd(p);
  const cq = createCq(p, 8);
  const [a, b] = [createQp(p, pd, cq.handle), createQp(p, pd, cq.handle)];
  assert.equal(ring(a.handle), 'EINVAL', 'RESET');
  connect(p, a, b.qpn);
  assert.equal(ring(a.handle), 'rung', 'RTS');
  connect(p, b, a.qpn);
  assert.equal(modifyQp(p, a.handle, 1, { 96: 0 }), 0);
  assert.equal(ring(b.handle), 'rung', 'the other is still ready');
  assert.equal(modifyQp(p, b.handle, 1, { 96: 6 }), 0);
  assert.equal(ring(b.handle), 'rung', 'ERR: it is flushed');
  assert.equal(p.invoke(27, Buffer.concat([u64(0), u32(b.handle, 0)]), 4).errno, 0);
  assert.equal(ring(a.handle), 'EINVAL');
  connect(p, a, 17);
  for (let n = 0; n < 10_000; n++) assert.equal(ring(a.handle), 'rung');
});
