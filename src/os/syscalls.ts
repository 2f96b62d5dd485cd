// Numbers of system calls (arch/x86/entry/syscalls/syscall_64.tbl, uapi/asm-generic/unistd.h) and what else differs between
// the two architectures. A call that an architecture has not is absent from its column.
import * as C from './constants.ts';

export type Architecture = 'x64' | 'arm64';

const NONE = -1;

/** By name: the number on x86-64, and on aarch64, which uses the generic table and has no calls that newer ones replace. */
const TABLE = {
  write: [1, 64],
  open: [2, NONE],
  stat: [4, NONE],
  fstat: [5, 80],
  lstat: [6, NONE],
  ioctl: [16, 29],
  access: [21, NONE],
  dup: [32, 23],
  dup2: [33, NONE],
  socket: [41, 198],
  fcntl: [72, 25],
  readlink: [89, NONE],
  getxattr: [191, 8],
  lgetxattr: [192, 9],
  listxattr: [194, 11],
  llistxattr: [195, 12],
  tgkill: [234, 131],
  openat: [257, 56],
  newfstatat: [262, 79],
  readlinkat: [267, 78],
  faccessat: [269, 48],
  sched_setattr: [314, 274],
  sched_getattr: [315, 275],
  seccomp: [317, 277],
  statx: [332, 291],
  dup3: [292, 24],
  pidfd_send_signal: [424, 424],
  pidfd_open: [434, 434],
  openat2: [437, 437],
  pidfd_getfd: [438, 438],
  faccessat2: [439, 439],
} as const satisfies Record<string, readonly [x64: number, arm64: number]>;

export type SyscallName = keyof typeof TABLE;

export interface SyscallTable {
  /** `seccomp_data.arch` */
  readonly auditArch: number;
  /** The number of a call, or -1 when this architecture has none of the name. */
  readonly nr: Readonly<Record<SyscallName, number>>;
  /** The name of a number of the table. */
  readonly nameOf: ReadonlyMap<number, SyscallName>;
  /** Open flags whose values differ (uapi/asm/fcntl.h). */
  readonly O_DIRECTORY: number;
  readonly O_NOFOLLOW: number;
  /** struct stat: its length, and where st_mode, st_rdev, st_size and st_blocks are (uapi/asm/stat.h). */
  readonly stat: {
    readonly length: number;
    readonly mode: number;
    readonly rdev: number;
    readonly size: number;
    readonly blocks: number;
  };
}

function tableOf(column: 0 | 1, rest: Omit<SyscallTable, 'nr' | 'nameOf'>): SyscallTable {
  const entries = Object.entries(TABLE).map(
    ([name, numbers]) => [name as SyscallName, numbers[column] as number] as const,
  );
  const nr = Object.fromEntries(entries) as Record<SyscallName, number>;
  const nameOf = new Map(entries.filter(([, n]) => n !== NONE).map(([name, n]) => [n, name]));
  return { nr, nameOf, ...rest };
}

export const SYSCALLS: Readonly<Record<Architecture, SyscallTable>> = {
  x64: tableOf(0, {
    auditArch: C.AUDIT_ARCH_X86_64,
    O_DIRECTORY: 0o200000,
    O_NOFOLLOW: 0o400000,
    stat: { length: 144, mode: 24, rdev: 40, size: 48, blocks: 64 },
  }),
  arm64: tableOf(1, {
    auditArch: C.AUDIT_ARCH_AARCH64,
    O_DIRECTORY: 0o40000,
    O_NOFOLLOW: 0o100000,
    stat: { length: 128, mode: 16, rdev: 32, size: 48, blocks: 64 },
  }),
};

/** This machine's table. */
export function syscallTable(): SyscallTable {
  const table = (SYSCALLS as Partial<Record<string, SyscallTable>>)[process.arch];
  if (table === undefined)
    throw new Error(`the system calls of ${process.arch} are not known; those of x64 and arm64 are`);
  return table;
}
