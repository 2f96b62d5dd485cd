// Drives an engine from a program's own event loop. Polling makes progress inline, so that a program that spins pays for no
// thread or event loop; whatever is not done when it stops spinning is done by the event loop, which sleeps on the link.
import type { QueuePair } from '../core/qp.ts';
import type { Drive } from '../drivers/machine.ts';
import { monotonic } from '../link/clock.ts';
import type { Link } from '../link/link.ts';
import { Courtesy } from '../os/scheduling.ts';
import { Waiter } from '../os/waiter.ts';
import type { SoftQp } from '../transport/qp.ts';

/**
 * After something has happened the event loop is asked again, without sleeping, for this long: waking from sleep takes
 * about 10 µs, and a program that waits for an answer mostly gets it sooner. Other work of the event loop goes on meanwhile.
 */
const SPIN_US = 100;
/**
 * The same after something was said that wants an answer from a program, not from a device: when connections are made, each side
 * has objects to create, and a CPU that was idle meanwhile takes longer to wake than the answer to come. That is so where CPUs are
 * idle: where others want them, whoever waits awake keeps the peer from answering. So an answer that comes later halves the
 * time for the next.
 */
const DIALOGUE_US = 700;

/** This thread's: it may poll several devices. */
const courtesy = new Courtesy();

/** Something that waits for the engine: it looks, after each step, whether what it waits for has come. */
export interface Watcher {
  check(): void;
  /** The device is closed: it will not come. */
  cancel(): void;
}

export class EngineLoop {
  readonly engine: Drive;
  readonly link: Link;
  /** Called when there is nothing to do, before sleeping. */
  onSleep: (() => void) | null = null;
  private readonly watchers = new Set<Watcher>();
  private readonly waiter: Waiter | null;
  private scheduled = false;
  /** The link said, maybe in the middle of a step, that something waits to be polled. */
  private arrived = false;
  private timer: NodeJS.Timeout | null = null;
  private lastActivity = 0;
  /** When {@link said} was called, and whether anything has come since. */
  private saidAt = Number.NEGATIVE_INFINITY;
  private answered = true;
  private patience = DIALOGUE_US;
  private closed = false;
  private readonly service = (): void => this.step();
  private readonly woken = (): void => {
    // Otherwise a step is on its way already.
    if (!this.scheduled) this.step();
  };

  constructor(engine: Drive, link: Link) {
    this.engine = engine;
    this.link = link;
    this.waiter = link.fds.length > 0 ? new Waiter(link.fds, this.woken) : null;
    this.ref();
    link.onArrival = () => {
      this.arrived = true;
      this.schedule();
    };
    this.sleep();
  }

  /** One step, from a program that polls; how many packets came. */
  progress(): number {
    const received = this.engine.progress();
    if (received > 0) this.lastActivity = this.engine.now;
    if (!this.scheduled) this.schedule();
    return received;
  }

  /** A program polls, and has looked: has it found anything? */
  polled(found: boolean): void {
    courtesy.looked(found || !this.engine.idle);
  }

  /** Something was posted inline: timers may have changed, packets may wait to be sent. */
  posted(): void {
    this.lastActivity = this.engine.now;
    if (!this.scheduled) this.schedule();
  }

  /** The same, and the peer's program is to answer it. */
  said(): void {
    this.saidAt = this.engine.now;
    this.answered = false;
    this.posted();
  }

  /** Rings the doorbell of a queue pair whose last request could not be posted. */
  doorbell(qp: QueuePair): void {
    this.engine.doorbell(qp as SoftQp);
  }

  watch(watcher: Watcher): void {
    this.watchers.add(watcher);
    this.lastActivity = this.engine.now;
    this.schedule();
  }

  unwatch(watcher: Watcher): void {
    this.watchers.delete(watcher);
  }

  /** Lets the process end although the device is open. */
  unref(): void {
    this.waiter?.unref();
    this.link.unref?.();
  }

  ref(): void {
    this.waiter?.ref();
    this.link.ref?.();
  }

  close(): void {
    this.closed = true;
    for (const watcher of this.watchers) watcher.cancel();
    this.link.onArrival = null;
    this.waiter?.close();
    if (this.timer !== null) clearTimeout(this.timer);
  }

  private schedule(): void {
    if (this.scheduled || this.closed) return;
    this.scheduled = true;
    setImmediate(this.service);
  }

  private step(): void {
    if (this.closed) return;
    this.scheduled = true;
    this.arrived = false;
    // A program that lets its event loop have its turn need not be told to wait.
    courtesy.looked(true);
    const { engine } = this;
    const received = engine.progress();
    if (received > 0 && !this.answered) this.learn();
    for (const watcher of this.watchers) watcher.check();
    const busy = this.arrived || !engine.idle;
    if (received > 0 || busy) this.lastActivity = engine.now;
    if (busy || engine.now - this.lastActivity < SPIN_US || engine.now - this.saidAt < this.patience) {
      setImmediate(this.service);
      return;
    }
    this.scheduled = false;
    this.onSleep?.();
    this.sleep();
  }

  /** An answer has come: is it worth while to wait awake for the next? */
  private learn(): void {
    this.answered = true;
    const soon = this.engine.now - this.saidAt < DIALOGUE_US;
    this.patience = soon ? Math.min(DIALOGUE_US, this.patience + DIALOGUE_US / 4) : this.patience / 2;
  }

  private sleep(): void {
    const { engine, link } = this;
    if (link.arm?.() === false) {
      this.schedule();
      return;
    }
    const due = Math.min(engine.nextDeadline, link.nextDue?.() ?? Number.POSITIVE_INFINITY);
    const ms = Math.max(0, (due - monotonic()) / 1000);
    if (this.waiter !== null) {
      this.waiter.arm(ms);
      return;
    }
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = ms < 2 ** 31 ? setTimeout(this.woken, ms) : null;
  }
}
