import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, isInstalled, Running } from '../../bench/running.ts';

const node = (code: string, ms = 10_000): Running =>
  new Running(process.execPath, ['-e', code], { signal: AbortSignal.timeout(ms) });

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function isGone(pid: number): Promise<boolean> {
  for (let i = 0; i < 100; i++) {
    if (!isAlive(pid)) return true;
    await sleep(20);
  }
  return false;
}

test('what it prints, or why there is nothing', async () => {
  await using good = node("console.log('a'); console.log('b')");
  assert.equal(await good.firstLine(), 'a');
  assert.equal(await good.output(), 'a\nb\n');
  await using bad = node("console.error('a reason'); process.exit(3)");
  await assert.rejects(bad.output(), /a reason/);
  await using mute = node('');
  await assert.rejects(mute.firstLine(), /ended with 0/);
  await using missing = new Running('/no/such/program', [], { signal: AbortSignal.timeout(1000) });
  await assert.rejects(missing.output(), /ENOENT/);
});

test('its time is limited', async () => {
  await using slow = node('setInterval(() => {}, 1000)', 300);
  await assert.rejects(slow.output(), /took too long/);
});

test('leaving the scope ends it and the processes that it has started', async () => {
  let child: number;
  {
    await using parent = node(
      "const { spawn } = require('node:child_process');" +
        "const c = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']); console.log(c.pid); setInterval(() => {}, 1000)",
    );
    child = Number(await parent.firstLine());
    assert.ok(isAlive(child));
  }
  assert.ok(await isGone(child));
});

test('a server is waited for without connecting to it', async () => {
  const port = await freePort();
  const code = `let n = 0; require('node:net').createServer(() => n++).listen(${port}, '127.0.0.1'); setTimeout(() => { console.log(n); process.exit() }, 700)`;
  await using server = node(code);
  await server.listensOn(port);
  assert.equal((await server.output()).trim(), '0');
  await using dead = node('process.exit(1)');
  await assert.rejects(dead.listensOn(await freePort()), /ended with 1/);
});

test('programs are looked for in PATH', () => {
  assert.ok(isInstalled('sh'));
  assert.ok(!isInstalled('no-such-program'));
});
