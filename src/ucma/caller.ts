import type { Caller } from '../uverbs/caller.ts';

/** A call that waits for its answer. */
export interface Deferred {
  /** Somebody still waits for it; not when the caller was killed, or the call was interrupted. */
  readonly waiting: boolean;
  /** Its result: a number of bytes, or a negated errno. */
  answer(result: number): void;
}

/** The process that makes a call, as the host of the ABI shows it. */
export interface UcmaCaller extends Caller {
  /** O_NONBLOCK of the descriptor that it calls through. */
  readonly nonBlocking: boolean;
  /** CAP_NET_BIND_SERVICE: ports that are not for everybody. */
  readonly netBindService: boolean;
  /** Leaves the call unanswered for now. */
  defer(): Deferred;
}
