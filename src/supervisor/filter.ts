// The seccomp filter: which system calls of the programs come to the supervisor.
import * as C from '../os/constants.ts';
import type { SyscallName, SyscallTable } from '../os/syscalls.ts';
import { Assembler, DATA_ARCH, DATA_NR, dataArg } from './bpf.ts';
import type { FdRange } from './fd-range.ts';

/** RDMA_VERBS_IOCTL (rdma_user_ioctl_cmds.h): the one ioctl of a uverbs device. */
export const RDMA_VERBS_IOCTL = 0xc0181b01;

/** Calls with a path: always. */
const PATHS: readonly SyscallName[] = [
  'open',
  'stat',
  'lstat',
  'access',
  'readlink',
  'getxattr',
  'lgetxattr',
  'listxattr',
  'llistxattr',
];

/**
 * Calls with a directory and a path: only those from the working directory. Those from an open directory need nothing, because
 * directories that were opened through the supervisor are real ones.
 */
const AT_PATHS: readonly SyscallName[] = ['openat', 'openat2', 'readlinkat', 'faccessat', 'faccessat2'];

/**
 * What is trapped, and nothing else; `range` as {@link FdRange} says. Not trapped, though they name paths that are not there
 * natively: chdir, execve, mount, statfs, inotify_add_watch, and whatever creates, renames or removes. They could only be answered
 * by acting in the program's place, which a supervisor cannot do for chdir; they fail as on a machine without RDMA (fchdir to an
 * opened directory works). Listings of /sys/class and /dev do not show the mapped directories either: they are the kernel's.
 *
 * Not seen at all: opens through io_uring, and calls in the ABI of another architecture (32-bit, x32), which libibverbs for such
 * programs would make; they go to the kernel untouched.
 *
 * dup2 and dup3 go to the kernel, except those to a descriptor of the range, of which the supervisor must know (callers.ts).
 * A copy works in every way, except that fstat of one outside the range tells of a regular
 * file. So does a descriptor received over a Unix socket. Of rdma_cm such a copy can be polled, but a write to it is EBADF.
 */
export function buildFilter(table: SyscallTable, range: FdRange): Buffer {
  const { nr } = table;
  const asm = new Assembler();
  const route = (names: readonly SyscallName[], label: string): void => {
    for (const name of names) if (nr[name] >= 0) asm.ifEqual(nr[name], label);
  };
  asm.load(DATA_ARCH).ifEqual(table.auditArch, null, 'allow').load(DATA_NR);
  // The most frequent of all.
  route(['write'], 'write');
  route(PATHS, 'notify');
  route(AT_PATHS, 'at');
  route(['newfstatat'], 'newfstatat');
  route(['statx'], 'statx');
  route(['fstat', 'dup'], 'fd');
  route(['dup2', 'dup3'], 'replaced');
  route(['fcntl'], 'fcntl');
  route(['ioctl'], 'ioctl');
  route(['socket'], 'socket');
  asm.label('allow').return(C.SECCOMP_RET_ALLOW);

  // With AT_EMPTY_PATH it is an fstat, if the path is empty.
  asm.label('newfstatat').load(dataArg(3)).ifAnyBit(C.AT_EMPTY_PATH, 'emptyPath', 'at');
  asm.label('statx').load(dataArg(2)).ifAnyBit(C.AT_EMPTY_PATH, 'emptyPath', 'at');
  asm.label('emptyPath').load(dataArg(0)).ifAtLeast(range.high, 'at').ifAtLeast(range.low, 'notify');
  asm
    .label('at')
    .load(dataArg(0))
    .ifEqual(C.AT_FDCWD >>> 0, 'notify', 'allowed');

  asm.label('fcntl').load(dataArg(1)).ifEqual(C.F_DUPFD, 'fd').ifEqual(C.F_DUPFD_CLOEXEC, 'fd', 'allowed');
  asm.label('replaced').load(dataArg(1)).ifAtLeast(range.high, 'allowed').ifAtLeast(range.low, 'notify', 'allowed');
  asm.label('fd').load(dataArg(0)).ifAtLeast(range.high, 'allowed').ifAtLeast(range.low, 'notify', 'allowed');
  asm.label('write').load(dataArg(0)).ifAtLeast(range.high, 'allowed').ifAtLeast(range.written, 'notify', 'allowed');
  asm.label('ioctl').load(dataArg(1)).ifEqual(RDMA_VERBS_IOCTL, 'notify', 'allowed');
  // Without this netlink family libibverbs looks for devices in sysfs.
  asm.label('socket').load(dataArg(0)).ifEqual(C.AF_NETLINK, null, 'allowed');
  asm
    .load(dataArg(2))
    .ifEqual(C.NETLINK_RDMA, null, 'allowed')
    .return(C.SECCOMP_RET_ERRNO | C.EPROTONOSUPPORT);
  asm.label('allowed').return(C.SECCOMP_RET_ALLOW);
  asm.label('notify').return(C.SECCOMP_RET_USER_NOTIF);
  return asm.assemble();
}
