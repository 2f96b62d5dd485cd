// What must be so when nothing goes on any more, by the model of reliable connections.
import { QpState } from '../../src/core/constants.ts';
import type { End } from './rc-model.ts';
import { consumes, demand } from './rc-wr.ts';

/** How many requests have surely been carried out. */
export function executed(end: End): number {
  const { received } = end.peer;
  const last = received > 0 ? end.sq.indexOf(end.sq.filter(consumes)[received - 1]) + 1 : 0;
  return Math.max(last, end.succeeded);
}

/** `end`'s QP is in `state`, and `owed` is not above 0. */
export function checkSettled(end: End, state: number): void {
  const left = end.sq.slice(end.done);
  const error = state === QpState.ERR;
  demand(error || !(end.sqError || end.rqError || end.manual), `a completion in error, and the QP in state ${state}`);
  demand(!error || end.mayFail, 'the QP is in error without a cause');
  // Of the unsignalled ones before an error nothing is heard; from the error on each request completes.
  const silent = left.find((w) => end.sqError || w.signaled);
  demand(silent === undefined, `request ${silent?.id} never completes`);
  demand(error || end.limit === end.sq.length, 'a request that must fail has not');
  if (!error) end.done = end.succeeded = end.sq.length;
  if (error && end.srq === null) demand(end.rqDone === end.rq.length, 'all receive requests are flushed');
  if (error && end.srq !== null) demand(end.lastWqe === 1, 'LAST_WQE_REACHED tells that the SRQ is no longer used');
  demand(
    end.peer.received >= end.sq.slice(0, executed(end)).filter(consumes).length,
    'what was acknowledged was received',
  );
}
