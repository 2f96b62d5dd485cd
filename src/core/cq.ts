import type { Context } from './context.ts';
import { VerbsObject } from './object.ts';

/** A completion channel: where completion events of its CQs arrive. */
export class CompletionChannel extends VerbsObject {
  readonly kind = 'comp_channel';
  /** Called by a CQ that is armed and has got a completion. The host (API or uverbs) sets it. */
  onEvent: ((cq: CompletionQueue) => void) | null = null;
}

/** Which completions raise the next event (`ibv_req_notify_cq`). */
export const Armed = { NONE: 0, SOLICITED: 1, NEXT: 2 } as const;

/** A completion queue. A driver's own class adds the ring. */
export abstract class CompletionQueue extends VerbsObject {
  readonly kind = 'cq';
  readonly channel: CompletionChannel | null;
  /** Entries it holds at least. */
  cqe: number;
  /** One of {@link Armed}. */
  armed: number = Armed.NONE;
  /** Completion events raised; a destroyer waits until as many were acknowledged. */
  eventsReported = 0;
  /** It overran: its QPs are in error and it takes no more. */
  failed = false;

  constructor(context: Context, cqe: number, channel: CompletionChannel | null) {
    super(context);
    this.cqe = cqe;
    this.channel = channel;
  }
}
