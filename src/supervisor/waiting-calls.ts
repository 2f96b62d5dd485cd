// Calls of programs that are answered later, and signals that cut them short.
import { hasSignal } from '../os/process-status.ts';
import type { DeferredCall } from '../os/seccomp.ts';

/** ERESTARTSYS: programs never see it. The kernel makes it EINTR, or begins the call anew, as SA_RESTART says. */
const ERESTARTSYS = 512;
const LOOK_EVERY_MS = 100;

interface Waiting {
  readonly tid: number;
  readonly call: DeferredCall;
}

/**
 * A call that was taken up is not interrupted by signals but those that kill (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV). One that
 * may wait for ever must be: so we look from time to time.
 */
export class WaitingCalls {
  private readonly calls = new Set<Waiting>();
  private lookAt = 0;

  /** Takes up a call of thread `tid` that waits from now on. */
  add(tid: number, call: DeferredCall): DeferredCall {
    const { calls } = this;
    const waiting: Waiting = { tid, call };
    calls.add(waiting);
    return {
      get waiting(): boolean {
        return calls.has(waiting) && call.waiting;
      },
      answer: (value) => {
        if (calls.delete(waiting)) call.answer(value);
      },
    };
  }

  /** Ends those whose threads have signals; the milliseconds after which it must be called again. `now` in microseconds. */
  turn(now: number): number {
    if (this.calls.size === 0) return Number.POSITIVE_INFINITY;
    if (now >= this.lookAt) {
      this.lookAt = now + LOOK_EVERY_MS * 1000;
      for (const waiting of this.calls) {
        const { tid, call } = waiting;
        const there = call.waiting;
        if (there && !hasSignal(tid)) continue;
        this.calls.delete(waiting);
        if (there) call.answer(-ERESTARTSYS);
      }
    }
    return Math.max(1, (this.lookAt - now) / 1000);
  }
}
