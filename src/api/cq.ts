import type { CompletionQueue as CoreCq } from '../core/cq.ts';
import { VerbsError } from '../core/errors.ts';
import { destroyCq, resizeCq } from '../core/verbs-cq.ts';
import type { WorkCompletion } from '../core/work.ts';
import { Completion } from './completion.ts';
import type { EngineLoop, Watcher } from './loop.ts';

export interface WaitOptions {
  /** Stops waiting: the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
}

interface Waiting {
  readonly resolve: (completion: Completion | null) => void;
  readonly reject: (reason: unknown) => void;
  readonly signal: AbortSignal | undefined;
}

/** So many completions in a row may be had without the event loop having its turn. */
const STREAK = 64;

/**
 * A completion queue: made by `device.createCq`.
 *
 * @example
 * for (const wc of cq.poll(16)) console.log(wc.wrId, wc.status); // inline, never waits
 * const wc = await cq.next(); // waits for one
 * for await (const wc of cq) handle(wc.orThrow()); // until the CQ is closed
 */
export class CompletionQueue implements Watcher, AsyncIterable<Completion> {
  /** @internal */
  readonly core: CoreCq;
  private readonly loop: EngineLoop;
  private waiting: Waiting[] = [];
  private readonly signals = new WeakSet<AbortSignal>();
  private readonly raws: WorkCompletion[] = [];
  private readonly one: Completion[] = [];
  private streak = 0;

  /** @internal */
  constructor(core: CoreCq, loop: EngineLoop) {
    this.core = core;
    this.loop = loop;
  }

  /** Completions it has room for. */
  get cqe(): number {
    return this.core.cqe;
  }

  /**
   * Takes out at most `max` completions; makes progress on the network when there are none yet. Never waits,
   * but a thread that polls and finds nothing lets others have the CPU meanwhile.
   */
  poll(max = 16): Completion[] {
    const completions: Completion[] = [];
    this.pollInto(completions, max);
    return completions;
  }

  /**
   * As {@link poll}, for hot loops: fills the completions of `into` anew (makes what is missing) and returns how many are
   * valid. Nothing is allocated once `into` has grown.
   */
  pollInto(into: Completion[], max = 16): number {
    if (this.core.destroyed) throw new VerbsError('pollCq', 'EINVAL', 'the CQ is destroyed');
    return this.look(into, max, true);
  }

  /** What is there, else what a step brings. `polls`: the program will look again and again. */
  private look(into: Completion[], max: number, polls: boolean): number {
    const ready = this.takeReady(into, max);
    if (ready > 0) return ready;
    const received = this.loop.progress();
    const n = this.takeReady(into, max);
    if (polls) this.loop.polled(n > 0 || received > 0);
    return n;
  }

  /** @internal As {@link pollInto}, of what is there already: for callers that the engine calls. */
  takeReady(into: Completion[], max: number): number {
    const n = this.core.context.device.ops.pollCq(this.core, max, this.raws);
    this.fill(into, n);
    return n;
  }

  private fill(into: Completion[], n: number): void {
    for (let i = 0; i < n; i++) {
      let completion = into[i];
      if (completion === undefined) {
        completion = new Completion();
        into[i] = completion;
      }
      const raw = completion.raw;
      completion.raw = this.raws[i];
      this.raws[i] = raw;
    }
  }

  /** The next completion, whatever its status. Rejects when aborted, or when the CQ is closed meanwhile. */
  next(options: WaitOptions = {}): Promise<Completion> {
    return this.take(options).then((completion) => {
      if (completion === null) throw new VerbsError('pollCq', 'ECANCELED', 'the CQ was closed');
      return completion;
    });
  }

  /** The completions as they come, until the CQ is closed or `signal` aborts. */
  async *completions(options: WaitOptions = {}): AsyncGenerator<Completion, void, void> {
    for (;;) {
      const completion = await this.take(options);
      if (completion === null) return;
      yield completion;
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<Completion, void, void> {
    return this.completions();
  }

  private take({ signal }: WaitOptions): Promise<Completion | null> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.core.destroyed) return Promise.resolve(null);
    // Those who asked before come first.
    if (this.waiting.length === 0 && ++this.streak < STREAK) {
      const completion = this.pollOne();
      if (completion !== null) return Promise.resolve(completion);
    }
    this.streak = 0;
    // One listener for each signal, not for each wait: a listener costs more than a completion.
    if (signal !== undefined && !this.signals.has(signal)) {
      this.signals.add(signal);
      signal.addEventListener('abort', () => this.abort(signal), { once: true });
    }
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject, signal });
      if (this.waiting.length === 1) this.loop.watch(this);
    });
  }

  private pollOne(): Completion | null {
    const { one } = this;
    if (this.look(one, 1, false) === 0) return null;
    const completion = one[0];
    one.length = 0;
    return completion;
  }

  /** @internal The engine has made a step. */
  check(): void {
    while (this.waiting.length > 0) {
      if (this.core.context.device.ops.pollCq(this.core, 1, this.raws) === 0) return;
      const completion = new Completion();
      const raw = completion.raw;
      completion.raw = this.raws[0];
      this.raws[0] = raw;
      this.waiting.shift()!.resolve(completion);
    }
    this.loop.unwatch(this);
  }

  private abort(signal: AbortSignal): void {
    const aborted = this.waiting.filter((entry) => entry.signal === signal);
    if (aborted.length === 0) return;
    this.waiting = this.waiting.filter((entry) => entry.signal !== signal);
    if (this.waiting.length === 0) this.loop.unwatch(this);
    for (const { reject } of aborted) reject(signal.reason);
  }

  /** Makes room for at least `cqe` completions. EINVAL when more than that wait in it. */
  resize(cqe: number): void {
    resizeCq(this.core, cqe);
  }

  /** EBUSY while queue pairs use it. Whoever waits for a completion is told that there will be none. */
  close(): void {
    if (this.core.destroyed) return;
    destroyCq(this.core);
    this.cancel();
  }

  /** @internal */
  cancel(): void {
    this.loop.unwatch(this);
    for (const { resolve } of this.waiting.splice(0)) resolve(null);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
