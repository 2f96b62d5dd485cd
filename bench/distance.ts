// How far two CPUs are apart: what goes through memory from one to the other takes as long as their caches need for it. A virtual
// machine's CPUs may be moved in the middle of a run, from two cores with one cache between them to two that have none.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type Summary, summarize } from './statistics.ts';

/** Words in cache lines of their own: what is said to the worker, what it says, and whether it is wanted. */
const PING = 0;
const PONG = 32;
const WANTED = 64;
/** The least of so many batches counts: what disturbs one makes it longer. The first find the worker asleep. */
const BATCHES = 10;
const TURNS = 300;
/** Looks without an answer, and milliseconds, after which it is given up: the two share a CPU. */
const PATIENCE = 2_000_000;
const LONG_MS = 5;
/** Two CPUs with one cache between them need 40 to 70 ns, two threads of one core 20. */
const FAR = 120;
/** So many looks must have found them near, and so many far. */
const SEVERAL = 3;
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

/** Nanoseconds from one to the other, and whether that has changed several times, or for long. */
export interface Distance extends Summary {
  readonly moved: boolean;
}

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

  /** A look of some milliseconds. */
  look(): void {
    if (this.worker === null) return;
    this.tell(WORK);
    let least = Number.POSITIVE_INFINITY;
    let failures = 0;
    for (let i = 0; i < BATCHES && failures < 2; i++) {
      const ns = this.ask();
      if (ns < least) least = ns;
      if (ns === Number.POSITIVE_INFINITY) failures++;
    }
    this.tell(IDLE);
    if (failures < 2) this.found.push(least);
  }

  /** Null with one CPU. */
  get summary(): Distance | null {
    const summary = summarize(this.found);
    if (summary === null) return null;
    const far = this.found.filter((ns) => ns >= FAR).length;
    return { ...summary, moved: far >= SEVERAL && this.found.length - far >= SEVERAL };
  }

  close(): void {
    this.tell(END);
  }

  private tell(what: number): void {
    Atomics.store(this.words, WANTED, what);
    Atomics.notify(this.words, WANTED);
  }

  /** Nanoseconds for one way; Infinity when they could not be told. */
  private ask(): number {
    const { words } = this;
    const begin = performance.now();
    for (const end = this.turn + TURNS; this.turn < end; ) {
      Atomics.store(words, PING, ++this.turn);
      for (let i = 0; Atomics.load(words, PONG) !== this.turn; i++) if (i > PATIENCE) return Number.POSITIVE_INFINITY;
      if (this.turn % 16 === 0 && performance.now() - begin > LONG_MS) return Number.POSITIVE_INFINITY;
    }
    return ((performance.now() - begin) * 1e6) / (2 * TURNS);
  }
}
