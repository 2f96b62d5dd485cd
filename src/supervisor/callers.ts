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
  /** With what it made verbs last, and when that was looked up. */
  verbs: Caller | null;
  fd: number;
  at: number;
}

export interface Caller {
  readonly program: Program;
  readonly open: OpenFile;
}

/** Threads remembered, a descriptor for each; the oldest are forgotten. */
const MOST = 64;
/**
 * A descriptor that was looked up for a verb means the same for so long, in microseconds: a look costs 2 µs of the 16 that a verb takes.
 * What gives the number to another file that verbs are meant for is told of ({@link Callers.changed}), and then nothing is
 * remembered for as long, in case that it was left to the kernel and is done a little later. Only who makes verbs with a number that
 * it has closed, or that an execve has, may find the device still there.
 */
const GOOD_US = 1000;

export class Callers {
  private readonly programs: Programs;
  private readonly files: OpenFiles;
  /** Of descriptors outside of it nobody tells what becomes of them. */
  private readonly range: Part;
  private readonly known = new Map<number, Known>();
  private changedAt = Number.NEGATIVE_INFINITY;

  constructor(programs: Programs, files: OpenFiles, range: Part) {
    this.programs = programs;
    this.files = files;
    this.range = range;
  }

  /** A descriptor of the range is given away, or is about to be replaced. */
  changed(): void {
    this.changedAt = monotonic();
  }

  /** As {@link of}, for the ioctl of verbs, which is not made with files of other kinds. */
  ofVerbs(tid: number, fd: number, valid: () => boolean): Caller | null {
    const last = this.known.get(tid);
    const now = monotonic();
    if (last !== undefined && last.fd === fd && now < last.at + GOOD_US && last.at > this.changedAt + GOOD_US) {
      const { verbs, program } = last;
      if (verbs !== null && !verbs.open.closed && program.memory.alive) return verbs;
    }
    const caller = this.of(tid, fd, valid);
    const known = this.known.get(tid);
    if (known !== undefined && fd >= this.range.low && fd < this.range.high) {
      known.verbs = caller;
      known.fd = fd;
      known.at = now;
    }
    return caller;
  }

  /**
   * What the descriptor `fd` of thread `tid` is, whose call waits (see {@link Programs.of}), and whose process's; null when it is no
   * device.
   */
  of(tid: number, fd: number, valid: () => boolean): Caller | null {
    const known = this.known.get(tid);
    if (known !== undefined) {
      // Whose directory it is found in is alive, and so is its process.
      const open = known.program.memory.alive ? this.files.in(known.directory, fd) : null;
      if (open !== null) return { program: known.program, open };
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
    this.known.set(tid, { program, directory, verbs: null, fd: -1, at: 0 });
    return { program, open };
  }

  close(): void {
    for (const [tid, known] of this.known) this.forget(tid, known);
  }

  private forget(tid: number, known: Known): void {
    libc().close(known.directory);
    this.known.delete(tid);
  }
}
