import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { Epoll } from '../../src/os/epoll.ts';
import { Inotify } from '../../src/os/inotify.ts';
import { addressOf, allocate } from '../../src/os/memory.ts';
import { PathReader } from '../../src/os/path-reader.ts';
import { Pidfd } from '../../src/os/pidfd.ts';
import { ProcessMemory } from '../../src/os/process-memory.ts';
import { inOurUserNamespace, processStatus } from '../../src/os/process-status.ts';
import { openFilesLimit, parentOpenFilesLimit, setOpenFilesLimit } from '../../src/os/rlimit.ts';
import { FileKey, isDirectory, STATX_BYTES, showDevice, statInto, statxInto } from '../../src/os/stat.ts';
import { SYSCALLS } from '../../src/os/syscalls.ts';
import { requireProgram } from '../helpers/debian.ts';

const children: ChildProcess[] = [];
const directory = mkdtempSync(join(tmpdir(), 'infinitive-os-'));
after(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

async function sleeper(command = 'sleep', ...args: string[]): Promise<ChildProcess> {
  const child = spawn(command, command === 'sleep' ? ['60'] : args, { stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(child);
  await new Promise((resolve) => child.once('spawn', resolve));
  return child;
}

/** Where a process's stack is. */
function stackOf(pid: number): number {
  const line = readFileSync(`/proc/${pid}/maps`, 'latin1')
    .split('\n')
    .find((one) => one.endsWith('[stack]'));
  return Number.parseInt(line!.split('-')[1].split(' ')[0], 16);
}

suite('memory of a process', () => {
  test('its own: what is written is read', () => {
    const memory = new ProcessMemory(process.pid);
    const there = allocate(8192);
    const at = addressOf(there);
    const here = Buffer.from('0123456789');
    assert.ok(memory.write(at + 100, here, 2, 5));
    assert.equal(there.toString('latin1', 100, 105), '23456');
    const back = allocate(64);
    assert.ok(memory.read(at + 100, back, 10, 5));
    assert.equal(back.toString('latin1', 10, 15), '23456');
    assert.ok(memory.read(at, Buffer.alloc(20), 0, 0));
  });

  test('what is not there, or not all of it, fails', () => {
    const memory = new ProcessMemory(process.pid);
    const buf = allocate(4096);
    for (const address of [0, 8, 2 ** 46 + 1, 2 ** 47 - 8, 2 ** 47, 2 ** 52, -1, Number.NaN]) {
      assert.equal(memory.read(address, buf, 0, 16), false, `${address}`);
      assert.equal(memory.write(address, buf, 0, 16), false, `${address}`);
    }
    assert.equal(memory.denied, false);
    assert.throws(() => memory.read(addressOf(buf), buf, 4090, 7), RangeError);
    assert.throws(() => memory.read(addressOf(buf), buf, -1, 7), RangeError);
  });

  test("another's: until it ends", async () => {
    const child = await sleeper();
    const memory = new ProcessMemory(child.pid!);
    const buf = allocate(8);
    const top = stackOf(child.pid!) - 8;
    assert.ok(memory.read(top, buf, 0, 8));
    assert.equal(memory.read(top, allocate(16), 0, 16), false, 'a part');
    const pidfd = new Pidfd(child.pid!);
    assert.ok(pidfd.hasThread(child.pid!));
    assert.ok(!pidfd.hasThread(process.pid));
    const epoll = new Epoll();
    epoll.add(pidfd.fd, 7);
    assert.equal(epoll.wait(0), 0);
    child.kill('SIGKILL');
    assert.equal(epoll.wait(5000), 1);
    assert.ok(epoll.readable(0));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(!pidfd.hasThread(child.pid!));
    assert.equal(memory.read(top, buf, 0, 8), false);
    epoll.close();
    pidfd.close();
  });

  test('once it is known to have ended nothing is touched', () => {
    const memory = new ProcessMemory(process.pid);
    memory.alive = false;
    assert.equal(memory.read(addressOf(allocate(8)), allocate(8), 0, 8), false);
  });

  test('a descriptor of another process is the same open file', async () => {
    const child = await sleeper('sh', '-c', 'exec 9</etc/passwd; read x <&9; echo ready; exec sleep 60');
    await new Promise((resolve) => child.stdout!.once('data', resolve));
    const pidfd = new Pidfd(child.pid!);
    const fd = pidfd.getFd(9);
    assert.ok(fd >= 0);
    assert.notEqual(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1').match(/pos:\s+(\d+)/)![1], '0');
    assert.equal(pidfd.getFd(999), -1);
    closeSync(fd);
    pidfd.close();
  });
});

test('paths: of any length, up to the end of a page', () => {
  const reader = new PathReader();
  const there = allocate(3 * 4096);
  const start = addressOf(there);
  const page = 4096 - (start % 4096);
  for (const length of [0, 1, 255, 256, 257, 1000, 4095]) {
    for (const at of [page - 10, page - 1, page, 3]) {
      if (at < 0 || at + length + 1 > there.length) continue;
      there.fill(0x61, at, at + length);
      there[at + length] = 0;
      assert.equal(reader.read(process.pid, start + at), length);
    }
  }
  there.fill(0x61);
  assert.equal(reader.read(process.pid, start), -1, 'no end');
  assert.equal(reader.read(process.pid, 8), -1);
  assert.equal(reader.denied, false);
});

test('inotify: writing and closing', () => {
  const file = join(directory, 'watched');
  writeFileSync(file, '');
  const inotify = new Inotify();
  const wd = inotify.watch(file, 0x2 | 0x8);
  const events: number[] = [];
  assert.ok(inotify.drain((_wd, mask) => events.push(mask)));
  assert.equal(events.length, 0);
  writeFileSync(file, 'x');
  assert.ok(
    inotify.drain((of, mask) => {
      assert.equal(of, wd);
      events.push(mask);
    }),
  );
  assert.equal(
    events.reduce((a, b) => a | b, 0),
    0x2 | 0x8,
  );
  inotify.unwatch(wd);
  inotify.close();
});

test('struct stat: as node:fs reads it', () => {
  const layout = SYSCALLS[process.arch as 'x64' | 'arm64'].stat;
  const buf = allocate(STATX_BYTES);
  const link = join(directory, 'link');
  symlinkSync('/dev/null', link);
  for (const path of ['/etc/passwd', '/dev/null', '/proc', link]) {
    assert.equal(statInto(path, 0, buf), 0);
    const expected = statSync(path, { bigint: true });
    assert.equal(buf.readUInt32LE(layout.mode), Number(expected.mode));
    assert.equal(buf.readBigUInt64LE(layout.rdev), expected.rdev);
    assert.equal(buf.readBigUInt64LE(layout.size), expected.size);
    assert.equal(buf.readBigUInt64LE(layout.blocks), expected.blocks);
    assert.equal(isDirectory(buf), expected.isDirectory());
  }
  assert.equal(statInto('/no/such', 0, buf), 2);
  assert.equal(statxInto('/etc/passwd', 0, 0x7ff, buf), 0);
  assert.equal(buf.readBigUInt64LE(40), statSync('/etc/passwd', { bigint: true }).size);
  const fd = openSync('/etc/passwd', 'r');
  statInto('/etc/passwd', 0, buf);
  const key = new FileKey(buf);
  statInto(`/proc/self/fd/${fd}`, 0, buf);
  assert.ok(key.is(buf));
  closeSync(fd);
  showDevice(buf, { major: 231, minor: 192 });
  assert.equal(buf.readUInt32LE(layout.mode), 0o020666);
  assert.equal(buf.readBigUInt64LE(layout.rdev), (231n << 8n) | 192n);
});

test('limits on open files: own and parent', () => {
  const { soft, hard } = openFilesLimit();
  setOpenFilesLimit(123);
  assert.equal(openFilesLimit().soft, 123);
  assert.equal(execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }), '123\n');
  setOpenFilesLimit(soft);
  assert.deepEqual(openFilesLimit(), { soft, hard });
  assert.ok(parentOpenFilesLimit()! > 0);
});

test('status: process of a thread, capabilities, user namespace', async (t) => {
  const own = processStatus(process.pid)!;
  assert.equal(own.tgid, process.pid);
  const effective = BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(readFileSync('/proc/self/status', 'latin1'))![1]}`);
  assert.equal(own.netRaw, (effective & (1n << 13n)) !== 0n);
  assert.equal(processStatus(0x7fffffff), null);
  assert.ok(inOurUserNamespace(process.pid));
  if (!requireProgram(t, 'unshare', 'util-linux')) return;
  const child = await sleeper('unshare', '-Ur', 'sh', '-c', 'echo ready; exec sleep 60');
  await new Promise((resolve) => child.stdout!.once('data', resolve));
  // Root of a namespace of its own, which is nothing outside of it.
  assert.equal(processStatus(child.pid!)!.netRaw, true);
  assert.equal(inOurUserNamespace(child.pid!), false);
});

test('numbers of system calls: as the C headers have them', (t) => {
  if (!requireProgram(t, 'gcc', 'gcc libc6-dev')) return;
  const { nr } = SYSCALLS[process.arch as 'x64' | 'arm64'];
  const lines = Object.keys(nr).map((name) => `#ifdef SYS_${name}\n"${name}" SYS_${name}\n#endif`);
  const text = execFileSync('gcc', ['-E', '-P', '-x', 'c', '-'], {
    input: `#include <sys/syscall.h>\n${lines.join('\n')}\n`,
    encoding: 'utf8',
  });
  const found = Object.fromEntries([...text.matchAll(/"(\w+)" (\d+)/g)].map(([, name, n]) => [name, Number(n)]));
  assert.ok(Object.keys(found).length > 10);
  for (const [name, number] of Object.entries(nr)) assert.equal(number, found[name] ?? -1, name);
});
