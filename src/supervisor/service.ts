// The service thread's loop: trapped calls, doorbells, the engine and its timers, in one synchronous loop that sleeps in epoll.
import { monotonic } from '../link/clock.ts';
import type { Link } from '../link/link.ts';
import type { Epoll } from '../os/epoll.ts';
import type { EventFd } from '../os/eventfd.ts';
import { PollSet } from '../os/poll.ts';
import { RunDelay } from '../os/scheduling.ts';
import type { SeccompListener } from '../os/seccomp.ts';
import type { Engine } from '../transport/engine.ts';
import type { OpenFiles } from './open-files.ts';
import type { Program, Programs, Watch } from './programs.ts';

/**
 * After packets or doorbells the loop does not sleep for this long: waking takes 15 to 20 µs, and what a program does next
 * mostly comes sooner. It does not spin after trapped calls: where the supervisor and the program share a CPU, the program needs it.
 *
 * Nor does it where the CPUs are all busy, with programs that poll: a thread that has spun has used up its share, and waits for
 * the next turn when there is work. Measured with ibv_rc_pingpong that polls on two CPUs, with other load, in ms for each round trip: without
 * spinning 0.4 to 2, with 50 µs 1.6 to 4.7, with 2 ms 25.
 */
const SPIN_US = 50;
/** The part of the time that it waits for a CPU from which on these are taken to be busy. */
const BUSY_SHARE = 0.1;
/** While the engine is busy, trapped calls are looked for every so many rounds: a look is a system call. */
const LOOK_EVERY = 8;
/** While it is awake, what else there is, and is less urgent, is looked for at every so many looks. */
const LOOK_AROUND_EVERY = 8;
/** How long the thread's own event loop may wait for its turn, in microseconds, while there is work. */
const SLICE_US = 10_000;
const MAX_SLEEP_MS = 60_000;

// In the poll set.
const LISTENER = 0;
const OTHERS = 1;
// In the epoll set.
const CLOSES = 1;
const DOORBELLS = 2;
const CONTROL = 3;
const LINK = 4;
/** Tags of processes: this and the descriptor of the process. */
const PROGRAM = 16;

export interface ServiceParts {
  readonly engine: Engine;
  readonly link: Link;
  readonly listener: SeccompListener;
  readonly files: OpenFiles;
  /** Makes the thread's event loop have its turn. */
  readonly control: EventFd;
  /** Takes one trapped call up and answers it. */
  readonly serve: () => void;
  /** What uverbs has to do after the engine; the milliseconds until it must be done again, Infinity: need not. */
  readonly turn: () => number;
  /** Before sleeping. */
  readonly onSleep: (() => void) | null;
}

/** Processes in the loop's epoll set: their end is told to `programs`. */
export class ProgramWatch implements Watch {
  readonly byTag = new Map<number, Program>();
  readonly epoll: Epoll;

  constructor(epoll: Epoll) {
    this.epoll = epoll;
  }

  add(program: Program): void {
    const tag = PROGRAM + program.pidfd.fd;
    this.byTag.set(tag, program);
    this.epoll.add(program.pidfd.fd, tag);
  }

  remove(program: Program): void {
    this.byTag.delete(PROGRAM + program.pidfd.fd);
    this.epoll.remove(program.pidfd.fd);
  }
}

export class Service {
  private readonly parts: ServiceParts;
  private readonly epoll: Epoll;
  /**
   * The listener, and the set of all others. A listener within an epoll set would not wake this thread on the CPU of the
   * program that waits for it (SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP), but on one that sleeps: 20 µs and more in a virtual machine.
   */
  private readonly polled: PollSet;
  private readonly watch: ProgramWatch;
  private readonly programs: Programs;
  private readonly delay = new RunDelay();
  private spinUs = SPIN_US;
  private delayedBefore = 0;
  private measuredAt = 0;
  private stopped = false;
  /** The link said, maybe in the middle of a step, that something waits to be polled. */
  private arrived = false;
  /** The link's descriptor has something to be polled. */
  private linkReady = false;
  /** Events of doorbells wait to be read: until they are, nobody sleeps. */
  private rung = false;
  private lastActivity = 0;
  private rounds = 0;
  private looks = 0;
  /** The last round found something to do. */
  private busy = false;
  private nextTurn = Number.POSITIVE_INFINITY;

  constructor(parts: ServiceParts, watch: ProgramWatch, programs: Programs) {
    this.parts = parts;
    this.epoll = watch.epoll;
    this.watch = watch;
    this.programs = programs;
    this.polled = new PollSet([parts.listener.fd, this.epoll.fd]);
    this.epoll.add(parts.files.closes.fd, CLOSES);
    this.epoll.add(parts.files.doorbells.fd, DOORBELLS);
    this.epoll.add(parts.control.fd, CONTROL);
    for (const fd of parts.link.fds) this.epoll.add(fd, LINK);
    parts.link.onArrival = () => {
      this.arrived = true;
    };
  }

  /** Until {@link stop}; resolves then. */
  async run(): Promise<void> {
    while (!this.stopped) {
      this.slice();
      this.measure();
      // For messages, and for the finalizers that release the queues' memory.
      await new Promise(setImmediate);
    }
    this.parts.link.onArrival = null;
    this.delay.close();
  }

  stop(): void {
    this.stopped = true;
  }

  /** Works until a slice is over; sleeps in between when there is nothing to do, and then till something comes. */
  private slice(): void {
    const { engine, files } = this.parts;
    const end = monotonic() + SLICE_US;
    do {
      const spinning = this.arrived || !engine.idle || engine.now - this.lastActivity < this.spinUs;
      if (!spinning || !this.busy || ++this.rounds % LOOK_EVERY === 0) {
        if (!this.look(spinning)) return;
        // Programs that open files, and no device, leave the engine alone.
        if (files.list.length === 0 && !this.linkReady && !spinning && this.timeout() !== 0) continue;
      }
      this.work(spinning);
    } while (monotonic() < end);
  }

  /** Are the CPUs busy? */
  private measure(): void {
    const now = monotonic();
    if (now - this.measuredAt < SLICE_US) return;
    const delayed = this.delay.read();
    const share = (delayed - this.delayedBefore) / (now - this.measuredAt);
    this.spinUs = share > BUSY_SHARE ? 0 : SPIN_US;
    this.delayedBefore = delayed;
    this.measuredAt = now;
  }

  /** Doorbells, packets, timers. */
  private work(spinning: boolean): void {
    const { engine, files, turn } = this.parts;
    const rung = files.list.length > 0 ? files.takeDoorbells() : 0;
    // A trapped call alone makes no packets arrive.
    if (!spinning && rung === 0 && !this.arrived && !this.linkReady && engine.idle) {
      const now = monotonic();
      if (this.due() > now) {
        this.nextTurn = now + turn() * 1000;
        return;
      }
    }
    this.arrived = false;
    this.linkReady = false;
    const received = engine.progress();
    this.busy = rung > 0 || received > 0 || this.arrived;
    if (this.busy) this.lastActivity = engine.now;
    this.nextTurn = engine.now + turn() * 1000;
  }

  /** Serves what descriptors tell of, after sleeping if nothing else is to be done; false when the event loop must have its turn. */
  private look(spinning: boolean): boolean {
    const { epoll, parts, polled } = this;
    const timeout = spinning ? 0 : this.timeout();
    if (timeout !== 0) {
      parts.onSleep?.();
      if (this.rung) {
        // What was rung before this look is seen now, what is rung after it wakes us.
        this.rung = false;
        parts.files.doorbells.drain();
        if (parts.files.takeDoorbells() > 0) {
          this.lastActivity = monotonic();
          return true;
        }
      }
      if (parts.link.arm?.() === false) {
        this.linkReady = true;
        return true;
      }
    }
    const around = !spinning || ++this.looks % LOOK_AROUND_EVERY === 0;
    if (!polled.wait(timeout, around ? OTHERS + 1 : LISTENER + 1)) return true;
    let goOn = true;
    if (polled.readable(OTHERS)) {
      const count = epoll.wait(0);
      // Ends of processes first: an id that is free may be another's at once.
      for (let i = 0; i < count; i++) this.ended(epoll.tag(i));
      for (let i = 0; i < count; i++) goOn = this.serve(i) && goOn;
    }
    // Neither: a signal to this thread has interrupted the kernel's look (seccomp_notify_poll: EPOLLERR).
    if (polled.readable(LISTENER)) this.serveCall();
    else if (polled.hungUp(LISTENER)) polled.remove(LISTENER);
    return goOn;
  }

  private ended(tag: number): void {
    const program = tag < PROGRAM ? undefined : this.watch.byTag.get(tag);
    if (program !== undefined) this.programs.ended(program);
  }

  private serveCall(): void {
    const { engine, files, serve } = this.parts;
    // What a program has rung for before its call happens before it.
    if (files.takeDoorbells() > 0) {
      this.lastActivity = monotonic();
      engine.progress();
    }
    serve();
  }

  private serve(i: number): boolean {
    const { parts, epoll } = this;
    switch (epoll.tag(i)) {
      case CLOSES:
        parts.files.takeCloses();
        return true;
      case DOORBELLS:
        this.rung = true;
        return true;
      case CONTROL:
        parts.control.drain();
        return false;
      case LINK:
        this.linkReady = true;
        return true;
      default:
        return true;
    }
  }

  /** When the engine has something to do though nothing comes. */
  private due(): number {
    const { engine, link } = this.parts;
    return Math.min(engine.nextDeadline, link.nextDue?.() ?? Number.POSITIVE_INFINITY);
  }

  /** Milliseconds that may be slept, -1: till something comes. What the network has due in less than one is waited for awake. */
  private timeout(): number {
    const due = this.due();
    if (due === Number.POSITIVE_INFINITY && this.nextTurn === Number.POSITIVE_INFINITY) return -1;
    const now = monotonic();
    const ms = Math.min(Math.floor((due - now) / 1000), Math.ceil((this.nextTurn - now) / 1000));
    return Math.min(Math.max(0, ms), MAX_SLEEP_MS);
  }
}
