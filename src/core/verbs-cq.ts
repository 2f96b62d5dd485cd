// Completion channels and completion queues.
import { checkInteger, checkLive, fail } from './check.ts';
import type { Context } from './context.ts';
import { CompletionChannel, type CompletionQueue } from './cq.ts';
import { adopt, checkRoom, destroyObject } from './tracking.ts';

/** Events of an object that its context was handed; the host's destroy waits until as many were acknowledged. */
export interface EventCounts {
  readonly completionEvents: number;
  readonly asyncEvents: number;
}

/** `ibv_create_comp_channel` */
export function createCompChannel(context: Context): CompletionChannel {
  checkRoom('createCompChannel', context, 'comp_channel');
  return adopt(new CompletionChannel(context));
}

/** `ibv_destroy_comp_channel`: EBUSY while CQs use it. */
export function destroyCompChannel(channel: CompletionChannel): void {
  checkLive('destroyCompChannel', 'channel', 'comp_channel', channel);
  destroyObject('destroyCompChannel', channel, () => {
    channel.onEvent = null;
  });
}

/** `ibv_create_cq`: it may have room for more than `cqe`, see {@link CompletionQueue.cqe}. */
export function createCq(context: Context, cqe: number, channel: CompletionChannel | null = null): CompletionQueue {
  const verb = 'createCq';
  context.device.require(verb);
  checkRoom(verb, context, 'cq');
  checkInteger(verb, 'cqe', cqe, 1, context.device.attributes.maxCqe);
  if (channel !== null) checkLive(verb, 'channel', 'comp_channel', channel, context);
  return adopt(context.device.ops.createCq(context, cqe, channel));
}

/** `ibv_resize_cq` */
export function resizeCq(cq: CompletionQueue, cqe: number): void {
  checkLive('resizeCq', 'cq', 'cq', cq);
  const { device } = cq.context;
  device.require('resizeCq');
  checkInteger('resizeCq', 'cqe', cqe, 1, device.attributes.maxCqe);
  device.ops.resizeCq(cq, cqe);
}

/** `ibv_destroy_cq`: EBUSY while QPs use it (C11-17). */
export function destroyCq(cq: CompletionQueue): EventCounts {
  checkLive('destroyCq', 'cq', 'cq', cq);
  destroyObject('destroyCq', cq, () => cq.context.device.ops.destroyCq(cq));
  return { completionEvents: cq.eventsReported, asyncEvents: cq.asyncReported };
}

/**
 * `ibv_req_notify_cq`: the next completion (or the next solicited one) raises an event on the CQ's channel. True when
 * completions came before it was armed, which raise none: poll again.
 */
export function reqNotifyCq(cq: CompletionQueue, solicitedOnly: boolean): boolean {
  checkLive('reqNotifyCq', 'cq', 'cq', cq);
  if (cq.channel === null) fail('reqNotifyCq', 'EINVAL', `cq ${cq.handle} was created without a completion channel`);
  return cq.context.device.ops.reqNotifyCq(cq, solicitedOnly);
}
