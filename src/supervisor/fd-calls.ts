// Calls with a descriptor that may be an opened device.
import * as C from '../os/constants.ts';
import { libc } from '../os/libc.ts';
import type { SeccompListener } from '../os/seccomp.ts';
import type { SyscallName } from '../os/syscalls.ts';
import { type FdRange, partFor } from './fd-range.ts';
import type { OpenFile } from './open-files.ts';
import type { PathCalls } from './path-calls.ts';
import { ProgramCaller, WritingCaller } from './program-caller.ts';
import type { Program } from './programs.ts';
import { freeSlot } from './slots.ts';
import { WaitingCalls } from './waiting-calls.ts';

export class FdCalls {
  readonly waiting = new WaitingCalls();
  private readonly listener: SeccompListener;
  private readonly range: FdRange;
  private readonly paths: PathCalls;
  private readonly placed: () => void;

  /** `placed` is called before a program is given a descriptor of the range. */
  constructor(listener: SeccompListener, range: FdRange, paths: PathCalls, placed: () => void) {
    this.listener = listener;
    this.range = range;
    this.paths = paths;
    this.placed = placed;
  }

  /** Answers the call `name` of `program`, whose descriptor is of the device `open`. */
  handle(name: SyscallName, program: Program, open: OpenFile): void {
    const { listener } = this;
    switch (name) {
      case 'ioctl':
        this.ioctl(program, open);
        break;
      case 'write':
        this.write(program, open);
        break;
      case 'fstat':
        this.paths.fstat(program, open.node, listener.arg(1));
        break;
      case 'newfstatat':
        this.paths.fstat(program, open.node, listener.arg(2));
        break;
      case 'statx':
        this.paths.fstatx(program, open.node);
        break;
      case 'dup':
        this.dup(program, open, 0, false);
        break;
      case 'fcntl':
        this.dup(program, open, listener.int(2), listener.int(1) === C.F_DUPFD_CLOEXEC);
        break;
      default:
        listener.proceed();
    }
  }

  private ioctl(program: Program, open: OpenFile): void {
    const { listener } = this;
    const error = open.file.ioctl?.(new ProgramCaller(program, listener), listener.arg(2)) ?? C.ENOTTY;
    if (error === 0) listener.succeed();
    else listener.fail(error);
  }

  private write(program: Program, open: OpenFile): void {
    const { listener } = this;
    const { file } = open;
    if (file.write === undefined) return listener.proceed();
    const result = file.write(new WritingCaller(program, listener, this.waiting), listener.arg(1), listener.arg(2));
    if (result === null) return;
    if (result >= 0) listener.succeed(result);
    else listener.fail(-result);
  }

  /**
   * dup2 and dup3 to a descriptor of the range: done here, so that it is known when it has been done. What the kernel does not do,
   * it says why.
   */
  replace(name: SyscallName, program: Program): void {
    const { listener } = this;
    this.placed();
    const [from, to] = [listener.int(0), listener.int(1)];
    const flags = name === 'dup3' ? listener.int(2) : 0;
    if (from === to || (flags & ~C.O_CLOEXEC) !== 0) return listener.proceed();
    const fd = program.pidfd.getFd(from);
    if (fd === -1) return listener.proceed();
    const result = listener.succeedWithFd(fd, to, flags !== 0);
    libc().close(fd);
    if (result < 0) listener.fail(-result);
  }

  /**
   * A copy with a number in the reserved range, where fstat shows the device: libibverbs looks (ibv_import_device). It is of the
   * same open file, as dup() makes it.
   */
  private dup(program: Program, open: OpenFile, atLeast: number, cloexec: boolean): void {
    const { listener } = this;
    // The kernel knows what is wrong with it.
    if (atLeast < 0 || atLeast >= this.range.high) return listener.proceed();
    const slot = freeSlot(listener.tid, partFor(this.range, open.file.memory), atLeast);
    if (slot < 0) return listener.fail(C.EMFILE);
    const fd = program.pidfd.getFd(listener.int(0));
    if (fd === -1) return listener.proceed();
    this.placed();
    const result = listener.succeedWithFd(fd, slot, cloexec);
    libc().close(fd);
    if (result < 0) listener.fail(result === -C.EBADF ? C.EMFILE : -result);
  }
}
