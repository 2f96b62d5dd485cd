import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as C from '../../src/os/constants.ts';
import { Epoll } from '../../src/os/epoll.ts';
import { errnoName, SysError } from '../../src/os/errors.ts';
import { EventFd } from '../../src/os/eventfd.ts';
import { check, libc } from '../../src/os/libc.ts';
import { addressOf, allocate } from '../../src/os/memory.ts';
import { requireProgram } from '../helpers/debian.ts';

const SECCOMP_H = '/usr/include/linux/seccomp.h';

test('a failed call says which, and why', () => {
  assert.throws(
    () => check(libc().close(-1), 'close'),
    (error: SysError) =>
      error instanceof SysError &&
      error.code === 'EBADF' &&
      error.errno === constants.errno.EBADF &&
      error.syscall === 'close' &&
      error.message === 'close: EBADF, bad file descriptor',
  );
});

test('the numbers are those of the C headers', (t) => {
  if (!requireProgram(t, 'cc', 'gcc libc6-dev')) return;
  const dir = mkdtempSync(join(tmpdir(), 'infinitive-'));
  try {
    // Debian 12's headers are those of Linux 6.1: what came with 6.6 is compared where it is there.
    const since66 = ['SECCOMP_IOCTL_NOTIF_SET_FLAGS', 'SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP'];
    const header = existsSync(SECCOMP_H) ? readFileSync(SECCOMP_H, 'utf8') : '';
    const ours = Object.entries(C).filter(([name]) => !since66.includes(name) || header.includes(name));
    const names = ours.map(([name]) => name);
    const headers = [
      'sys/socket',
      'linux/in',
      'linux/in6',
      'linux/ipv6',
      'linux/udp',
      'linux/sockios',
      'fcntl',
      'errno',
      'linux/audit',
      'linux/capability',
      'linux/netlink',
      'linux/seccomp',
      'sys/inotify',
      'sys/ioctl',
      'sys/mman',
      'sys/prctl',
      'sys/resource',
      'sys/wait',
      'poll',
      'unistd',
    ];
    const includes = [...headers, 'sys/epoll', 'sys/eventfd', 'stdio'].map((h) => `#include <${h}.h>\n`);
    // Macros that glibc has in headers which clash with those of Linux.
    const levels = '#define SOL_IP IPPROTO_IP\n#define SOL_IPV6 IPPROTO_IPV6\n#define SOL_UDP IPPROTO_UDP\n';
    const lines = names.map((name) => `printf("%s %ld\\n", "${name}", (long)${name});`);
    writeFileSync(
      join(dir, 'c.c'),
      `#define _GNU_SOURCE\n${includes.join('')}${levels}int main(void) {${lines.join('\n')}}`,
    );
    execFileSync('cc', ['-o', join(dir, 'c'), join(dir, 'c.c')]);
    const printed = execFileSync(join(dir, 'c'), { encoding: 'utf8' });
    assert.equal(printed.trim(), ours.map(([name, value]) => `${name} ${value}`).join('\n'));
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('error numbers have names', () => {
  for (const [name, value] of Object.entries(constants.errno))
    assert.equal(constants.errno[errnoName(value) as 'EIO'], value, name);
});

test('a buffer keeps its address, and the kernel writes there', () => {
  const buf = allocate(16);
  const at = addressOf(buf);
  const event = new EventFd();
  event.signal();
  event.signal();
  assert.equal(libc().read(event.fd, at + 8, 8), 8);
  assert.equal(buf.readBigUInt64LE(8), 2n);
  event.close();
  globalThis.gc?.();
  assert.equal(addressOf(buf), at);
});

test('epoll tells which descriptors are readable', () => {
  const events = [new EventFd(), new EventFd(), new EventFd()];
  const epoll = new Epoll();
  for (const [i, e] of events.entries()) epoll.add(e.fd, i + 7);
  assert.equal(epoll.wait(0), 0);
  events[2].signal();
  assert.equal(epoll.wait(-1), 1);
  assert.equal(epoll.tag(0), 9);
  events[0].signal();
  assert.equal(epoll.wait(0), 2);
  assert.deepEqual(new Set([epoll.tag(0), epoll.tag(1)]), new Set([7, 9]));
  assert.ok(events[2].drain() && events[0].drain() && !events[0].drain());
  assert.equal(epoll.wait(1), 0);
  epoll.remove(events[1].fd);
  events[1].signal();
  assert.equal(epoll.wait(0), 0);
  for (const e of events) e.close();
  epoll.close();
  epoll.close();
});
