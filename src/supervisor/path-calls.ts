// Calls with a path that leads into the tree.
import * as C from '../os/constants.ts';
import { errno, libc } from '../os/libc.ts';
import { addressOf, allocate } from '../os/memory.ts';
import type { SeccompListener } from '../os/seccomp.ts';
import { isDirectory, STATX_BYTES, showDevice, showDeviceX, statInto, statxInto } from '../os/stat.ts';
import type { SyscallName, SyscallTable } from '../os/syscalls.ts';
import type { DeviceFile, DeviceNode, Tree } from './device-node.ts';
import { type FdRange, partFor } from './fd-range.ts';
import type { OpenFiles } from './open-files.ts';
import { hasNetRaw } from './program-caller.ts';
import type { Program } from './programs.ts';
import { freeSlot } from './slots.ts';

const W_OK = 2;
const X_OK = 1;
/** What of open()'s flags is meant for the file and not for the descriptor. */
const OPEN_HOW_BYTES = 24;
/** RESOLVE_NO_XDEV, _NO_MAGICLINKS, _NO_SYMLINKS and _CACHED forbid nothing that is done here. */
const RESOLVE_HARMLESS = 0x27;
const ROOM = 4096;

export interface Namespace {
  /** Where the tree is. */
  readonly root: string;
  readonly tree: Tree;
  readonly nodes: readonly DeviceNode[];
}

export class PathCalls {
  private readonly listener: SeccompListener;
  private readonly table: SyscallTable;
  private readonly range: FdRange;
  private readonly space: Namespace;
  private readonly files: OpenFiles;
  private readonly placed: () => void;
  private readonly buf = allocate(ROOM);

  /** `placed` is called before a program is given a descriptor of the range. */
  constructor(
    listener: SeccompListener,
    table: SyscallTable,
    range: FdRange,
    space: Namespace,
    files: OpenFiles,
    placed: () => void,
  ) {
    this.listener = listener;
    this.table = table;
    this.range = range;
    this.space = space;
    this.files = files;
    this.placed = placed;
  }

  /** Answers the call `name` of `program`, whose path leads to `path` in the tree. */
  handle(name: SyscallName, program: Program, path: string): void {
    const { listener } = this;
    switch (name) {
      case 'open':
        this.open(program, path, listener.int(1));
        break;
      case 'openat':
        this.open(program, path, listener.int(2));
        break;
      case 'openat2':
        this.openat2(program, path);
        break;
      case 'stat':
        this.stat(program, path, 0, listener.arg(1));
        break;
      case 'lstat':
        this.stat(program, path, C.AT_SYMLINK_NOFOLLOW, listener.arg(1));
        break;
      case 'newfstatat':
        this.stat(program, path, listener.int(3), listener.arg(2));
        break;
      case 'statx':
        this.statx(program, path);
        break;
      case 'access':
        this.access(path, listener.int(1));
        break;
      case 'faccessat':
      case 'faccessat2':
        this.access(path, listener.int(2));
        break;
      case 'readlink':
        this.readlink(program, path, listener.arg(1), listener.int(2));
        break;
      case 'readlinkat':
        this.readlink(program, path, listener.arg(2), listener.int(3));
        break;
      case 'getxattr':
      case 'lgetxattr':
        this.ifThere(path, () => listener.fail(C.ENODATA));
        break;
      case 'listxattr':
      case 'llistxattr':
        this.ifThere(path, () => listener.succeed(0));
        break;
      default:
        listener.proceed();
    }
  }

  /** fstat of an opened device. */
  fstat(program: Program, node: DeviceNode, address: number): void {
    this.stat(program, nodePath(node), 0, address);
  }

  fstatx(program: Program, node: DeviceNode): void {
    this.statx(program, nodePath(node));
  }

  private open(program: Program, path: string, flags: number): void {
    const node = this.nodeAt(path);
    if (node !== undefined) this.openNode(program, node, flags);
    else this.openFile(path, flags);
  }

  private openat2(program: Program, path: string): void {
    const { listener, buf } = this;
    if (listener.arg(3) < OPEN_HOW_BYTES) return listener.fail(C.EINVAL);
    if (!program.memory.read(listener.arg(2), buf, 0, OPEN_HOW_BYTES)) return listener.fail(C.EFAULT);
    // Confined to a directory that is not ours: natively it fails as it must.
    if ((buf.readUInt32LE(16) & ~RESOLVE_HARMLESS) !== 0) return listener.proceed();
    this.open(program, path, buf.readUInt32LE(0));
  }

  private openNode(program: Program, node: DeviceNode, flags: number): void {
    const { listener } = this;
    if ((flags & this.table.O_DIRECTORY) !== 0) return listener.fail(C.ENOTDIR);
    if ((flags & C.O_CREAT) !== 0 && (flags & C.O_EXCL) !== 0) return listener.fail(C.EEXIST);
    const { tid } = listener;
    const file = node.open({ pid: program.pid, command: program.command, netRaw: hasNetRaw(tid) });
    const slot = freeSlot(tid, partFor(this.range, file.memory), 0);
    if (slot < 0) {
      file.close();
      return listener.fail(C.EMFILE);
    }
    const fd = this.describe(node, file, flags & C.O_NONBLOCK);
    this.placed();
    const result = listener.succeedWithFd(fd, slot, (flags & C.O_CLOEXEC) !== 0);
    // When the program did not get it this was the last descriptor, and what follows is as if the program had closed it.
    libc().close(fd);
    if (result < 0) listener.fail(result === -C.EBADF ? C.EMFILE : -result);
  }

  /** A descriptor for the program. */
  private describe(node: DeviceNode, file: DeviceFile, flags: number): number {
    try {
      return this.files.add(node, file, flags);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  private openFile(path: string, flags: number): void {
    const { listener, buf } = this;
    this.space.tree.refresh(path);
    const real = this.space.root + path;
    const missing = statInto(real, 0, buf);
    const create = (flags & C.O_CREAT) !== 0;
    if (missing !== 0) return listener.fail(create && missing === C.ENOENT ? C.EACCES : missing);
    if (create && (flags & C.O_EXCL) !== 0) return listener.fail(C.EEXIST);
    // sysfs refuses root too where an attribute has no store method (kernfs_fop_open).
    if ((flags & C.O_ACCMODE) !== C.O_RDONLY || (flags & C.O_TRUNC) !== 0) {
      return listener.fail(isDirectory(buf) ? C.EISDIR : C.EACCES);
    }
    // Not O_PATH: the kernel takes no such descriptor to give away; what is opened for reading serves.
    const kept = flags & (this.table.O_DIRECTORY | this.table.O_NOFOLLOW | C.O_NONBLOCK);
    const fd = libc().open(real, kept | C.O_CLOEXEC, 0);
    if (fd === -1) return listener.fail(errno());
    const result = listener.succeedWithFd(fd, -1, (flags & C.O_CLOEXEC) !== 0);
    libc().close(fd);
    if (result < 0) listener.fail(-result);
  }

  private stat(program: Program, path: string, flags: number, address: number): void {
    const { buf } = this;
    const error = statInto(this.space.root + path, flags & C.AT_SYMLINK_NOFOLLOW, buf);
    if (error !== 0) return this.listener.fail(error);
    const node = this.nodeAt(path);
    if (node !== undefined) showDevice(buf, node.cdev);
    this.answer(program, address, this.table.stat.length, 0);
  }

  private statx(program: Program, path: string): void {
    const { listener, buf } = this;
    const error = statxInto(this.space.root + path, listener.int(2) & ~C.AT_EMPTY_PATH, listener.int(3), buf);
    if (error !== 0) return listener.fail(error);
    const node = this.nodeAt(path);
    if (node !== undefined) showDeviceX(buf, node.cdev);
    this.answer(program, listener.arg(4), STATX_BYTES, 0);
  }

  private access(path: string, mode: number): void {
    const { listener } = this;
    if ((mode & ~7) !== 0) return listener.fail(C.EINVAL);
    this.ifThere(path, (stat) => {
      const device = this.nodeAt(path) !== undefined;
      const writes = (mode & W_OK) !== 0 && !device;
      const executes = (mode & X_OK) !== 0 && (device || !isDirectory(stat));
      if (writes || executes) listener.fail(C.EACCES);
      else listener.succeed();
    });
  }

  private readlink(program: Program, path: string, address: number, size: number): void {
    const { listener, buf } = this;
    if (size <= 0) return listener.fail(C.EINVAL);
    const length = libc().readlink(this.space.root + path, addressOf(buf), Math.min(size, ROOM));
    if (length === -1) return listener.fail(errno());
    this.answer(program, address, length, length);
  }

  private ifThere(path: string, then: (stat: Buffer) => void): void {
    const error = statInto(this.space.root + path, 0, this.buf);
    if (error !== 0) this.listener.fail(error);
    else then(this.buf);
  }

  /** What is in the buffer goes to the program, and the call returns `value`. */
  private answer(program: Program, address: number, length: number, value: number): void {
    if (program.memory.write(address, this.buf, 0, length)) this.listener.succeed(value);
    else this.listener.fail(C.EFAULT);
  }

  private nodeAt(path: string): DeviceNode | undefined {
    return this.space.nodes.find((node) => nodePath(node) === path);
  }
}

const nodePath = (node: DeviceNode): string => `/dev/infiniband/${node.name}`;
