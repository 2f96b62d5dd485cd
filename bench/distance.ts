// How far two CPUs are apart: what goes through memory from one to the other takes as long as their caches need for it. A virtual
// machine's CPUs may be moved in the middle of a run, from two cores with one cache between them to two that have none.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type Summary, summarize } from './statistics.ts';

/** Words in cache lines of their own: what is said to the worker, what it says, and whether it is wanted. */
const PING = 0;
const PONG = 32;
const WANTED = 64;
const TURNS = 4000;
/** Looks without an answer after which it is given up: the two share a CPU. */
const PATIENCE = 2_000_000;
const IDLE = 0;
const WORK = 1;
const END = 2;

const WORKER = `
const { workerData: words } = require('node:worker_threads');
let last = 0;
for (;;) {
  const wanted = Atomics.load(words, ${WANTED});
  if (wanted === ${END}) break;
  if (wanted === ${IDLE}) { Atomics.wait(words, ${WANTED}, ${IDLE}); continue; }
  const now = Atomics.load(words, ${PING});
  if (now !== last) Atomics.store(words, ${PONG}, last = now);
}`;

/** Measures it from time to time. */
export class CpuDistance {
  private readonly words = new Int32Array(new SharedArrayBuffer(512));
  private readonly worker: Worker | null;
  private readonly found: number[] = [];
  private turn = 0;

  constructor() {
    this.worker = availableParallelism() < 2 ? null : new Worker(WORKER, { eval: true, workerData: this.words });
    this.worker?.unref();
  }

  /** A look of about a millisecond. */
  look(): void {
    if (this.worker === null) return;
    this.tell(WORK);
    // The first finds the worker asleep.
    const one = this.ask(TURNS / 10) && this.ask(TURNS);
    this.tell(IDLE);
    if (one) this.found.push(one);
  }

  /** Nanoseconds for one way. */
  get summary(): Summary | null {
    return summarize(this.found);
  }

  close(): void {
    this.tell(END);
  }

  private tell(what: number): void {
    Atomics.store(this.words, WANTED, what);
    Atomics.notify(this.words, WANTED);
  }

  private ask(turns: number): number {
    const { words } = this;
    const begin = performance.now();
    for (const end = this.turn + turns; this.turn < end; ) {
      Atomics.store(words, PING, ++this.turn);
      for (let i = 0; Atomics.load(words, PONG) !== this.turn; i++) if (i > PATIENCE) return 0;
    }
    return ((performance.now() - begin) * 1e6) / (2 * turns);
  }
}
