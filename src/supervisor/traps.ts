// One trapped call: what it is, who makes it, who answers it.

import { VerbsError } from '../core/errors.ts';
import * as C from '../os/constants.ts';
import { errnoName, SysError } from '../os/errors.ts';
import { PathReader } from '../os/path-reader.ts';
import { processStatus, workingDirectory } from '../os/process-status.ts';
import type { SeccompListener } from '../os/seccomp.ts';
import type { SyscallName, SyscallTable } from '../os/syscalls.ts';
import { type Caller, Callers } from './callers.ts';
import { FdCalls } from './fd-calls.ts';
import type { FdRange } from './fd-range.ts';
import type { OpenFiles } from './open-files.ts';
import { type Namespace, PathCalls } from './path-calls.ts';
import { isCandidate, mapPath } from './paths.ts';
import type { Program, Programs } from './programs.ts';

export interface TrapOptions {
  readonly listener: SeccompListener;
  readonly table: SyscallTable;
  readonly range: FdRange;
  readonly space: Namespace;
  readonly files: OpenFiles;
  readonly programs: Programs;
  /** Says something on stderr. */
  readonly say: (text: string) => void;
  /** Says each call. */
  readonly trace: boolean;
}

/** In place of an argument's index: the call is about a descriptor; it replaces one. */
const DESCRIPTOR = -1;
const REPLACED = -2;

/** Which argument is the path; no entry: {@link DESCRIPTOR}. */
const PATH_ARGUMENT: Partial<Record<SyscallName, number>> = {
  open: 0,
  stat: 0,
  lstat: 0,
  access: 0,
  readlink: 0,
  getxattr: 0,
  lgetxattr: 0,
  listxattr: 0,
  llistxattr: 0,
  openat: 1,
  openat2: 1,
  readlinkat: 1,
  faccessat: 1,
  faccessat2: 1,
  newfstatat: 1,
  statx: 1,
  dup2: REPLACED,
  dup3: REPLACED,
};

export class Traps {
  private readonly options: TrapOptions;
  private readonly listener: SeccompListener;
  private readonly reader = new PathReader();
  private readonly paths: PathCalls;
  private readonly fds: FdCalls;
  private readonly callers: Callers;
  /** By number: which argument is the path. */
  private readonly pathArgument: Int8Array;
  private readonly valid: () => boolean;
  private readonly said = new Set<string>();

  constructor(options: TrapOptions) {
    const { listener, table, range, space, files, programs } = options;
    this.options = options;
    this.listener = listener;
    this.callers = new Callers(programs, files, range);
    const placed = (): void => this.callers.changed();
    this.paths = new PathCalls(listener, table, range, space, files, placed);
    this.fds = new FdCalls(listener, range, this.paths, placed);
    this.pathArgument = new Int8Array(512).fill(DESCRIPTOR);
    for (const [nr, name] of table.nameOf) this.pathArgument[nr] = PATH_ARGUMENT[name] ?? DESCRIPTOR;
    this.valid = () => listener.valid();
  }

  /** Takes one call up and answers it. The programs' calls end here whatever comes: nothing is thrown. */
  serve(): void {
    const { listener } = this;
    if (!listener.receive()) return;
    try {
      this.dispatch();
    } catch (error) {
      if (error instanceof SysError || error instanceof VerbsError) {
        // Our own limits (open files, watches) or the device's: told once, since the program's message will not say whose.
        this.sayOnce(error.code, error.message);
        listener.fail(error.errno);
        return;
      }
      this.sayOnce('trap', `internal error, answered with EIO: ${error instanceof Error ? error.stack : error}`);
      listener.fail(C.EIO);
    }
    if (this.options.trace) this.trace();
  }

  /** Calls that are answered later, see {@link WaitingCalls}; the milliseconds until this must be called again. */
  turn(now: number): number {
    return this.fds.waiting.turn(now);
  }

  close(): void {
    this.callers.close();
  }

  private dispatch(): void {
    const { listener, reader } = this;
    const argument = this.pathArgument[listener.nr];
    if (argument === REPLACED) {
      this.replace();
      return;
    }
    if (argument < 0) {
      this.descriptor();
      return;
    }
    const { tid } = listener;
    // 0: outside of our pid namespace, where nobody can be named.
    const length = tid === 0 ? -1 : reader.read(tid, listener.arg(argument));
    if (length <= 0) {
      if (reader.denied) this.sayDenied(tid);
      // newfstatat(fd, "", …, AT_EMPTY_PATH), where the path may be a null pointer too.
      if (argument === 1 && listener.int(0) !== C.AT_FDCWD) this.descriptor();
      else listener.proceed();
      return;
    }
    if (!isCandidate(reader.buf, length)) {
      listener.proceed();
      return;
    }
    const path = mapPath(reader.buf.toString('latin1', 0, length), this.options.space.root, () =>
      workingDirectory(tid),
    );
    const program = path === null ? null : this.program();
    if (path === null || program === null) listener.proceed();
    else this.paths.handle(this.name(), program, path);
  }

  private descriptor(): void {
    const name = this.name();
    const caller = this.caller(0, name === 'ioctl');
    if (caller === null) this.listener.proceed();
    else this.fds.handle(name, caller.program, caller.open);
  }

  /** dup2 and dup3: others than those of a device, or over one, are the kernel's. */
  private replace(): void {
    const caller = this.caller(1, false) ?? this.caller(0, false);
    if (caller === null) this.listener.proceed();
    else this.fds.replace(this.name(), caller.program);
  }

  /** Whose device the descriptor is that is argument `i`; most are of none at all. */
  private caller(i: number, verbs: boolean): Caller | null {
    const { listener, callers, valid } = this;
    const { tid } = listener;
    if (this.options.files.list.length === 0 || tid === 0) return null;
    const fd = listener.int(i);
    return verbs ? callers.ofVerbs(tid, fd, valid) : callers.of(tid, fd, valid);
  }

  private program(): Program | null {
    const { tid } = this.listener;
    return tid === 0 ? null : this.options.programs.of(tid, this.valid);
  }

  private name(): SyscallName {
    return this.options.table.nameOf.get(this.listener.nr)!;
  }

  private sayDenied(tid: number): void {
    const status = processStatus(tid);
    this.sayOnce(
      `denied ${status?.tgid}`,
      `the kernel does not let the memory of process ${status?.tgid} (${status?.name}) be read, so it finds no RDMA device. ` +
        'Either kernel.yama.ptrace_scope is 2 or 3 (it must be 0 or 1), or the program file may not be read by this user, ' +
        'or the program has made itself undumpable',
    );
  }

  private sayOnce(what: string, text: string): void {
    if (this.said.has(what)) return;
    this.said.add(what);
    this.options.say(text);
  }

  private trace(): void {
    const { listener, reader } = this;
    const { tid, nr } = listener;
    const argument = this.pathArgument[nr];
    const end = reader.buf.indexOf(0);
    let what = String(listener.int(0));
    if (argument === REPLACED) what += `, ${listener.int(1)}`;
    else if (argument >= 0) what = JSON.stringify(reader.buf.toString('latin1', 0, Math.max(0, end)));
    let result = listener.result < 0 ? errnoName(-listener.result) : String(listener.result);
    if (listener.continued) result = 'left to the kernel';
    this.options.say(`[${tid}] ${this.options.table.nameOf.get(nr) ?? nr}(${what}) = ${result}`);
  }
}
