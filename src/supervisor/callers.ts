// Who calls with which device: the threads that call with descriptors, found again at the price of one system call.
import { O_CLOEXEC, O_PATH } from '../os/constants.ts';
import { libc } from '../os/libc.ts';
import type { OpenFile, OpenFiles } from './open-files.ts';
import type { Program, Programs } from './programs.ts';

interface Known {
  readonly program: Program;
  /** A descriptor of the thread's /proc/TID/fd, which never comes to mean another thread's. */
  readonly directory: number;
}

export interface Caller {
  readonly program: Program;
  readonly open: OpenFile;
}

/** Threads remembered, a descriptor for each; the oldest are forgotten. */
const MOST = 64;

export class Callers {
  private readonly programs: Programs;
  private readonly files: OpenFiles;
  private readonly known = new Map<number, Known>();

  constructor(programs: Programs, files: OpenFiles) {
    this.programs = programs;
    this.files = files;
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
    this.known.set(tid, { program, directory });
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
