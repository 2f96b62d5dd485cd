// The processes that have called, found by the threads that call.
import { Pidfd } from '../os/pidfd.ts';
import { ProcessMemory } from '../os/process-memory.ts';
import { processStatus } from '../os/process-status.ts';

/** A process of the run. */
export class Program {
  readonly pid: number;
  readonly pidfd: Pidfd;
  readonly memory: ProcessMemory;

  /** Its name now. */
  get command(): string {
    return processStatus(this.pid)?.name ?? '?';
  }

  constructor(pid: number) {
    this.pid = pid;
    this.pidfd = new Pidfd(pid);
    this.memory = new ProcessMemory(pid);
  }
}

/** Told when a descriptor is to be watched, and when no longer. */
export interface Watch {
  add(program: Program): void;
  remove(program: Program): void;
}

/** Threads remembered; beyond, all are forgotten, and looked up again. */
const MAX_THREADS = 16384;

export class Programs {
  private readonly watch: Watch;
  private readonly byPid = new Map<number, Program>();
  private readonly byThread = new Map<number, Program>();

  constructor(watch: Watch) {
    this.watch = watch;
  }

  /**
   * The process of the thread `tid`, whose call waits: `valid` says whether it still does, since a thread that is killed leaves
   * its id to others. Null when it does not.
   */
  of(tid: number, valid: () => boolean): Program | null {
    const known = this.byThread.get(tid);
    if (known?.pidfd.hasThread(tid)) return known;
    const tgid = processStatus(tid)?.tgid;
    if (tgid === undefined) return null;
    const earlier = this.byPid.get(tgid);
    const same = earlier?.pidfd.hasThread(tid) === true;
    if (earlier !== undefined && !same) this.ended(earlier);
    const program = same ? earlier! : this.begin(tgid);
    // The thread waits still, so all that was asked about it meant it.
    if (program === null || !valid()) return null;
    if (this.byThread.size >= MAX_THREADS) this.byThread.clear();
    this.byThread.set(tid, program);
    return program;
  }

  /** A process has ended: nothing touches its memory any more. */
  ended(program: Program): void {
    if (!program.memory.alive) return;
    program.memory.alive = false;
    this.watch.remove(program);
    program.pidfd.close();
    this.byPid.delete(program.pid);
    for (const [tid, of] of this.byThread) if (of === program) this.byThread.delete(tid);
  }

  private begin(pid: number): Program | null {
    let program: Program;
    try {
      program = new Program(pid);
    } catch {
      return null;
    }
    this.byPid.set(pid, program);
    this.watch.add(program);
    return program;
  }
}
