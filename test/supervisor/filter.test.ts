import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { SYSCALLS } from '../../src/os/syscalls.ts';
import { reservedRange } from '../../src/supervisor/fd-range.ts';
import { buildFilter, RDMA_VERBS_IOCTL } from '../../src/supervisor/filter.ts';
import { runFilter } from './bpf-machine.ts';

const ALLOW = 0x7fff0000;
const NOTIFY = 0x7fc00000;
const EPROTONOSUPPORT = 0x00050000 | 93;
const FDCWD = -100;
const FDCWD_INT = 0xffffff9c;
const EMPTY = 0x1000;
const range = { low: 512, high: 1024, written: 640 };

// Numbers from the kernel's own tables, not from ours: asm/unistd_64.h, asm-generic/unistd.h.
const numbers = {
  x64: {
    arch: 0xc000003e,
    path: {
      open: 2,
      stat: 4,
      lstat: 6,
      access: 21,
      readlink: 89,
      getxattr: 191,
      lgetxattr: 192,
      listxattr: 194,
      llistxattr: 195,
    },
    at: { openat: 257, readlinkat: 267, faccessat: 269, openat2: 437, faccessat2: 439 },
    fstat: 5,
    newfstatat: 262,
    statx: 332,
    ioctl: 16,
    dup: 32,
    dup2: 33,
    dup3: 292,
    fcntl: 72,
    socket: 41,
    others: [0, 1, 3, 9, 24, 56, 57, 59, 78, 80, 110, 231, 435],
  },
  arm64: {
    arch: 0xc00000b7,
    path: { getxattr: 8, lgetxattr: 9, listxattr: 11, llistxattr: 12 },
    at: { openat: 56, readlinkat: 78, faccessat: 48, openat2: 437, faccessat2: 439 },
    fstat: 80,
    newfstatat: 79,
    statx: 291,
    ioctl: 29,
    dup: 23,
    dup2: -1,
    dup3: 24,
    fcntl: 25,
    socket: 198,
    // 2, 4, 5, 6, 16, 21 are open, stat, … on the other architecture.
    others: [2, 3, 4, 5, 6, 16, 21, 33, 49, 57, 63, 64, 89, 93, 220, 221, 222, 257, 262],
  },
} as const;

for (const name of ['x64', 'arm64'] as const) {
  const n = numbers[name];
  const program = buildFilter(SYSCALLS[name], range);
  const decide = (nr: number, ...args: (number | bigint)[]): number =>
    runFilter(program, { arch: n.arch, nr, args }).value;

  suite(`filter, ${name}`, () => {
    test('calls with a path', () => {
      for (const nr of Object.values(n.path)) assert.equal(decide(nr, 0x7fff_1234_5678), NOTIFY);
    });

    test('calls from a directory: from the working directory only', () => {
      for (const nr of [...Object.values(n.at), n.newfstatat]) {
        assert.equal(decide(nr, FDCWD, 0x1000, 0, 0), NOTIFY);
        assert.equal(decide(nr, FDCWD_INT, 0x1000, 0, 0), NOTIFY, 'an int, not extended to 64 bits');
        for (const fd of [0, 3, 511, 512, 1023, 5000]) assert.equal(decide(nr, fd, 0x1000, 0, 0), ALLOW);
      }
      assert.equal(decide(n.statx, FDCWD, 0x1000, 0, 0xfff), NOTIFY);
      assert.equal(decide(n.statx, 700, 0x1000, 0, 0xfff), ALLOW);
    });

    test('fstat in its three forms: descriptors of the reserved range only', () => {
      for (const [fd, verdict] of [
        [0, ALLOW],
        [511, ALLOW],
        [512, NOTIFY],
        [1023, NOTIFY],
        [1024, ALLOW],
        [-1, ALLOW],
      ] as const) {
        assert.equal(decide(n.fstat, fd, 0x1000), verdict);
        assert.equal(decide(n.newfstatat, fd, 0x1000, 0x2000, EMPTY), verdict);
        assert.equal(decide(n.statx, fd, 0x1000, EMPTY | 0x100, 0xfff), verdict);
        assert.equal(decide(n.dup, fd), verdict);
        assert.equal(decide(n.fcntl, fd, 0, 3), verdict, 'F_DUPFD');
        assert.equal(decide(n.fcntl, fd, 1030, 3), verdict, 'F_DUPFD_CLOEXEC');
      }
      // A path that is not empty after all.
      assert.equal(decide(n.newfstatat, FDCWD, 0x1000, 0x2000, EMPTY), NOTIFY);
      assert.equal(decide(n.statx, FDCWD, 0x1000, EMPTY, 0xfff), NOTIFY);
    });

    test('other uses of a device descriptor are free', () => {
      assert.equal(decide(n.fcntl, 600, 1, 0), ALLOW, 'F_GETFD');
      assert.equal(decide(n.fcntl, 600, 3, 0), ALLOW, 'F_GETFL');
    });

    test('what replaces a descriptor of the reserved range', () => {
      for (const nr of n.dup2 < 0 ? [n.dup3] : [n.dup2, n.dup3]) {
        for (const to of [3, 511, 1024, -1]) assert.equal(decide(nr, 600, to), ALLOW, `${to}`);
        for (const to of [512, 1023]) assert.equal(decide(nr, 3, to), NOTIFY, `${to}`);
      }
    });

    test('one ioctl', () => {
      assert.equal(RDMA_VERBS_IOCTL, 0xc0181b01);
      assert.equal(decide(n.ioctl, 600, 0xc0181b01, 0x1000), NOTIFY);
      assert.equal(decide(n.ioctl, 3, 0xc0181b01, 0x1000), NOTIFY);
      assert.equal(decide(n.ioctl, 3, 0x5401, 0x1000), ALLOW);
    });

    test('write: where writes are commands', () => {
      const nr = name === 'x64' ? 1 : 64;
      for (const fd of [0, 1, 511, 512, 639, 1024, -1]) assert.equal(decide(nr, fd, 0x1000, 32), ALLOW, `${fd}`);
      for (const fd of [640, 1023]) assert.equal(decide(nr, fd, 0x1000, 32), NOTIFY, `${fd}`);
    });

    test('NETLINK_RDMA has no protocol', () => {
      assert.equal(decide(n.socket, 16, 0x80003, 20), EPROTONOSUPPORT);
      assert.equal(decide(n.socket, 16, 3, 0), ALLOW, 'NETLINK_ROUTE');
      assert.equal(decide(n.socket, 2, 2, 20), ALLOW);
    });

    test('everything else, and other architectures', () => {
      for (const nr of n.others) assert.equal(decide(nr, 600, 0x1000, 0x1000), ALLOW, `${nr}`);
      const foreign = name === 'x64' ? [0x40000003, 0xc00000b7] : [0x40000028, 0xc000003e];
      for (const arch of foreign) {
        for (let nr = 0; nr < 450; nr++) assert.equal(runFilter(program, { arch, nr, args: [FDCWD, 0] }).value, ALLOW);
      }
      // x32: the same architecture, with a bit in the number.
      if (name === 'x64') assert.equal(decide(0x40000000 + 257, FDCWD, 0x1000), ALLOW);
    });

    test('costs few instructions', () => {
      for (let nr = 0; nr < 450; nr++) assert.ok(runFilter(program, { arch: n.arch, nr, args: [FDCWD] }).steps < 40);
      assert.ok(program.length / 8 < 80);
    });
  });
}

test('the reserved range: below 1024 for select(), inside the limit', () => {
  assert.deepEqual(reservedRange(1024), { low: 512, high: 1024, written: 640 });
  assert.deepEqual(reservedRange(2 ** 30), { low: 512, high: 1024, written: 640 });
  assert.deepEqual(reservedRange(256), { low: 128, high: 256, written: 160 });
  assert.deepEqual(reservedRange(1023), { low: 512, high: 1023, written: 639 });
});
