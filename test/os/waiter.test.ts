import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { EventFd } from '../../src/os/eventfd.ts';
import { Waiter } from '../../src/os/waiter.ts';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test('wakes once each time it is armed', async () => {
  const event = new EventFd();
  let woken = 0;
  let next = () => {};
  const waiter = new Waiter([event.fd], () => {
    woken++;
    next();
  });
  const wake = () =>
    new Promise<void>((resolve) => {
      next = resolve;
    });
  event.signal();
  await pause(5);
  assert.equal(woken, 0, 'not armed');
  waiter.arm();
  await wake();
  await pause(5);
  assert.equal(woken, 1, 'once, though the descriptor is still readable');
  waiter.arm();
  await wake();
  event.drain();
  waiter.arm();
  waiter.arm();
  setTimeout(() => event.signal(), 5);
  await wake();
  await pause(5);
  assert.equal(woken, 3);
  assert.equal(waiter.armed, false);
  waiter.close();
  event.close();
});

test('wakes when the time is over, and not when disarmed', async () => {
  const event = new EventFd();
  let woken = 0;
  const waiter = new Waiter([event.fd], () => {
    woken++;
  });
  waiter.arm(5);
  await pause(20);
  assert.equal(woken, 1);
  waiter.arm(5);
  waiter.disarm();
  event.signal();
  await pause(20);
  assert.equal(woken, 1);
  waiter.arm(5);
  waiter.close();
  await pause(20);
  assert.equal(woken, 1);
  waiter.close();
  waiter.arm();
  assert.equal(waiter.armed, false);
  event.close();
});

test('watches more, and fewer', async () => {
  const events = [new EventFd(), new EventFd()];
  let woken = 0;
  const waiter = new Waiter([events[0].fd], () => {
    woken++;
  });
  waiter.arm();
  waiter.add(events[1].fd);
  events[1].signal();
  await pause(10);
  assert.equal(woken, 1);
  waiter.remove(events[1].fd);
  waiter.arm();
  await pause(10);
  assert.equal(woken, 1);
  waiter.close();
  for (const e of events) e.close();
});

const run = (code: string) =>
  spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8', timeout: 20_000 });

const MODULES = `
  import { EventFd } from ${JSON.stringify(new URL('../../src/os/eventfd.ts', import.meta.url).href)};
  import { Waiter } from ${JSON.stringify(new URL('../../src/os/waiter.ts', import.meta.url).href)};
  const event = new EventFd();
  const waiter = new Waiter([event.fd], () => console.log('woken'));`;

test('keeps the process alive only when asked to', () => {
  const idle = run(`${MODULES} waiter.arm(10_000);`);
  assert.deepEqual([idle.status, idle.stdout, idle.stderr], [0, '', '']);
  const kept = run(`${MODULES} waiter.ref(); waiter.arm(); setTimeout(() => event.signal(), 20).unref();`);
  assert.deepEqual([kept.status, kept.stdout, kept.stderr], [0, 'woken\n', '']);
  const timed = run(`${MODULES} waiter.arm(20); waiter.ref();`);
  assert.deepEqual([timed.status, timed.stdout, timed.stderr], [0, 'woken\n', '']);
});

test('works in a worker thread', async () => {
  const code = `${MODULES.replace("console.log('woken')", "(parentPort.postMessage('woken'), waiter.close())")}
    import { parentPort } from 'node:worker_threads';
    waiter.ref(); waiter.arm(); event.signal();`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  const said: string[] = [];
  worker.on('message', (m) => said.push(m));
  await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
  assert.deepEqual(said, ['woken']);
});
