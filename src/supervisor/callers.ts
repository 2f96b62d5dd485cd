// Who calls with which device: the threads that call with descriptors, found again at the price of one system call.
import { monotonic } from '../link/clock.ts';
import { O_CLOEXEC, O_PATH } from '../os/constants.ts';
import { libc } from '../os/libc.ts';
import type { Part } from './fd-range.ts';
import type { OpenFile, OpenFiles } from './open-files.ts';
import type { Program, Programs } from './programs.ts';

interface Known {
  readonly program: Program;
  /** A descriptor of the thread's /proc/TID/fd, which never comes to mean another thread's. */
  readonly directory: number;
  /** The descriptor that it called with last, what that was found to be, after which change, and until when it is not looked up again. */
  fd: number;
  caller: Caller;
  change: number;
  until: number;
}

export interface Caller {
  readonly program: Program;
  readonly open: OpenFile;
}

/** Threads remembered, a descriptor for each; the oldest are forgotten. */
const MOST = 64;
/**
 * A descriptor that was looked up means the same for so long, in microseconds: a look costs 2 µs of the 15 that a verb takes. What
 * would change it (close, dup2, …) is trapped; the time is for what is not, as an execve, or another thread's close that has been
 * let through and not yet done.
 */
const GOOD_US = 1000;

export class Callers {
  private readonly programs: Programs;
  private readonly files: OpenFiles;
  /** Of descriptors outside of it nobody says what happens to them. */
  private readonly range: Part;
  private readonly known = new Map<number, Known>();
  private change = 0;

  constructor(programs: Programs, files: OpenFiles, range: Part) {
    this.programs = programs;
    this.files = files;
    this.range = range;
  }

  /** A descriptor of the range may mean something else from now on. */
  changed(): void {
    this.change++;
  }

  /**
   * What the descriptor `fd` of thread `tid` is, whose call waits (see {@link Programs.of}), and whose process's; null when it is no
   * device.
   */
  of(tid: number, fd: number, valid: () => boolean): Caller | null {
    const known = this.known.get(tid);
    if (known !== undefined) {
      if (known.program.memory.alive) {
        if (known.fd === fd && this.isGood(known)) return known.caller;
        // Whose directory it is found in is alive, and so is its process.
        const open = this.files.in(known.directory, fd);
        if (open !== null) return this.found(known, fd, { program: known.program, open });
      }
      this.forget(tid, known);
    }
    const program = this.programs.of(tid, valid);
    if (program === null) return null;
    const directory = libc().open(`/proc/${tid}/fd`, O_PATH | O_CLOEXEC, 0);
    if (directory === -1) return null;
    const open = this.files.in(directory, fd);
    // The thread waits still, so the directory is its own.
    if (open === null || !valid()) {
      libc().close(directory);
      return null;
    }
    for (const [oldest, its] of this.known) {
      if (this.known.size < MOST) break;
      this.forget(oldest, its);
    }
    const caller = { program, open };
    this.known.set(tid, { program, directory, fd: -1, caller, change: 0, until: 0 });
    return caller;
  }

  close(): void {
    for (const [tid, known] of this.known) this.forget(tid, known);
  }

  private isGood({ caller, change, until }: Known): boolean {
    return change === this.change && !caller.open.closed && monotonic() < until;
  }

  private found(known: Known, fd: number, caller: Caller): Caller {
    const { low, high } = this.range;
    known.fd = fd >= low && fd < high ? fd : -1;
    known.caller = caller;
    known.change = this.change;
    known.until = monotonic() + GOOD_US;
    return caller;
  }

  private forget(tid: number, known: Known): void {
    libc().close(known.directory);
    this.known.delete(tid);
  }
}
