import type { ErrnoName } from '../core/errors.ts';
import { VerbsError } from '../core/errors.ts';
import { O_NONBLOCK } from '../os/constants.ts';
import { errnoName } from '../os/errors.ts';
import { libc } from '../os/libc.ts';
import { describeFd, fdFlags, inOurUserNamespace, processStatus } from '../os/process-status.ts';
import type { SeccompListener } from '../os/seccomp.ts';
import type { Deferred, UcmaCaller } from '../ucma/caller.ts';
import type { Caller } from '../uverbs/caller.ts';
import type { Program } from './programs.ts';
import type { WaitingCalls } from './waiting-calls.ts';

/**
 * Has the thread CAP_NET_RAW over the device? Linux asks for it in the user namespace that the device's network belongs to. Here
 * device and network are the supervisor's: so in the supervisor's user namespace. A program that has made itself root of a
 * namespace of its own (unshare -Ur) has not; nor has it with a device of the kernel's.
 */
export function hasNetRaw(tid: number): boolean {
  return processStatus(tid)?.netRaw === true && inOurUserNamespace(tid);
}

/** The process that makes the call that the listener has received; descriptors are installed while that call waits. */
export class ProgramCaller implements Caller {
  readonly pid: number;
  readonly memory: Program['memory'];
  protected readonly tid: number;
  protected readonly listener: SeccompListener;
  private readonly program: Program;

  constructor(program: Program, listener: SeccompListener) {
    this.pid = program.pid;
    this.memory = program.memory;
    this.tid = listener.tid;
    this.listener = listener;
    this.program = program;
  }

  /** As it is now: programs drop capabilities, and threads have their own. */
  get netRaw(): boolean {
    return hasNetRaw(this.tid);
  }

  read(address: number, dst: Buffer, at: number, length: number): boolean {
    return this.memory.read(address, dst, at, length);
  }

  write(address: number, src: Buffer, at: number, length: number): boolean {
    return this.memory.write(address, src, at, length);
  }

  scatter(src: Buffer, addresses: readonly number[], lengths: readonly number[]): boolean {
    return this.program.memory.scatter(src, addresses, lengths);
  }

  installFd(fd: number): number {
    const result = this.listener.addFd(fd, true);
    if (result >= 0) return result;
    throw new VerbsError('installFd', errnoName(-result) as ErrnoName, `process ${this.pid} takes no descriptor`);
  }

  describeFd(fd: number): string | null {
    return describeFd(this.tid, fd);
  }

  withFile(use: (fd: number) => void): void {
    const fd = this.program.pidfd.getFd(this.listener.int(0));
    if (fd === -1) return;
    try {
      use(fd);
    } finally {
      libc().close(fd);
    }
  }
}

/** One that writes to a file whose writes are commands. */
export class WritingCaller extends ProgramCaller implements UcmaCaller {
  private readonly fd: number;
  private readonly waiting: WaitingCalls;

  constructor(program: Program, listener: SeccompListener, waiting: WaitingCalls) {
    super(program, listener);
    this.fd = listener.int(0);
    this.waiting = waiting;
  }

  get nonBlocking(): boolean {
    return (fdFlags(this.tid, this.fd) & O_NONBLOCK) !== 0;
  }

  /** The network is the supervisor's, as for {@link hasNetRaw}. */
  get netBindService(): boolean {
    return processStatus(this.tid)?.netBindService === true && inOurUserNamespace(this.tid);
  }

  defer(): Deferred {
    return this.waiting.add(this.tid, this.listener.defer());
  }
}
