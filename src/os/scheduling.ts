import { closeSync, openSync, readSync } from 'node:fs';
import { isLinux } from './ffi.ts';
import { libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';
import { syscallTable } from './syscalls.ts';

/** struct sched_attr (uapi/linux/sched/types.h), its first version, and where sched_runtime is. */
const SCHED_ATTR_BYTES = 48;
const RUNTIME = 24;

/**
 * Asks for short turns on the CPU for the calling thread: Linux (6.12) then lets it run soon after it has been woken even if
 * others keep all CPUs busy, and takes the CPU away from it sooner. It needs no privilege. False where that is not to be had.
 */
export function askForShortTurns(nanoseconds: number): boolean {
  const { syscall } = libc();
  const { nr } = syscallTable();
  const attr = allocate(SCHED_ATTR_BYTES);
  const at = addressOf(attr);
  if (syscall(nr.sched_getattr, 0, at, SCHED_ATTR_BYTES, 0, 0, 0) === -1) return false;
  attr.writeBigUInt64LE(BigInt(nanoseconds), RUNTIME);
  return syscall(nr.sched_setattr, 0, at, 0, 0, 0, 0) === 0;
}

/** What {@link Courtesy} does it with. */
export interface Turns {
  /** sched_yield(2); null where there is none: on another system, or without the FFI, which devices on `node:dgram` do without. */
  readonly giveWay: (() => void) | null;
  /** Sleeps. */
  nap(ms: number): void;
  /** Milliseconds. */
  now(): number;
}

function ownTurns(): Turns {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  let giveWay: Turns['giveWay'] = null;
  try {
    if (isLinux()) giveWay = libc().sched_yield;
  } catch {
    // No FFI.
  }
  return { giveWay, nap: (ms) => void Atomics.wait(cell, 0, 0, ms), now: () => performance.now() };
}

/** Fruitless looks after which the CPU is offered to others: some 10 µs. */
const LOOKS = 32;
/** Who keeps the CPU for longer than this does not poll as we do. */
const LONG_MS = 0.5;
/** Then, for so long, naps are taken instead: after so long without anything, for as short as timers can. */
const NAPS_FOR_MS = 10;
const NAP_AFTER_MS = 0.1;
const NAP_MS = 0.02;

/**
 * For a thread that polls: lets others have the CPU while it finds nothing. Two that poll on one CPU, each waiting for the other,
 * would otherwise need a whole time slice of the scheduler, milliseconds, for each message. Who yields to a thread that never waits
 * gets the CPU back as late; after a nap it comes first. Where nobody wants the CPU a yield costs 0.6 µs.
 */
export class Courtesy {
  private turns: Turns | null;
  private looks = 0;
  /** Since when nothing has come, and until when naps are taken. */
  private since = 0;
  private napsUntil = 0;

  constructor(turns: Turns | null = null) {
    this.turns = turns;
  }

  /** After each look: has it brought anything? */
  looked(found: boolean): void {
    if (found) {
      this.looks = 0;
      this.since = 0;
    } else if (++this.looks >= LOOKS) {
      this.looks = 0;
      this.give();
    }
  }

  private give(): void {
    this.turns ??= ownTurns();
    const { turns } = this;
    const now = turns.now();
    if (this.since === 0) this.since = now;
    if (turns.giveWay === null || now < this.napsUntil) {
      if (now - this.since > NAP_AFTER_MS) turns.nap(NAP_MS);
      return;
    }
    turns.giveWay();
    const after = turns.now();
    if (after - now > LONG_MS) this.napsUntil = after + NAPS_FOR_MS;
  }
}

/** Tells how long the calling thread has waited for a CPU while it could have run; -1 where the kernel does not say. */
export class RunDelay {
  readonly #fd: number;
  readonly #buf: Buffer;

  constructor() {
    this.#buf = Buffer.alloc(128);
    let fd = -1;
    try {
      fd = openSync('/proc/thread-self/schedstat', 'r');
    } catch {
      // CONFIG_SCHED_INFO is not set.
    }
    this.#fd = fd;
  }

  /** Microseconds since the thread was started. */
  read(): number {
    if (this.#fd === -1) return -1;
    const length = readSync(this.#fd, this.#buf, 0, this.#buf.length, 0);
    return Number(this.#buf.toString('latin1', 0, length).split(' ')[1]) / 1000;
  }

  close(): void {
    if (this.#fd !== -1) closeSync(this.#fd);
  }
}
