// Asynchronous events: to the object's context, or to all contexts when they concern the port or the device.
import type { AsyncEvent, Context } from './context.ts';
import type { VerbsObject } from './object.ts';

/** Hands an event to those it concerns. A handler that throws harms neither the others nor the driver that raised it. */
export function deliver(type: number, object: VerbsObject | null, contexts: Iterable<Context>): void {
  const event: AsyncEvent = { type, object };
  if (object === null) {
    for (const context of contexts) call(context, event);
    return;
  }
  if (object.destroyed || object.context.onAsyncEvent === null) return;
  // Counted before the call: the handler may acknowledge at once.
  object.asyncReported++;
  call(object.context, event);
}

function call(context: Context, event: AsyncEvent): void {
  try {
    context.onAsyncEvent?.(event);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** `ibv_ack_async_event`. */
export function ackAsyncEvent(event: AsyncEvent): void {
  if (event.object !== null && event.object.asyncAcked < event.object.asyncReported) event.object.asyncAcked++;
}

/**
 * Events of the object that its context was handed and has not acknowledged. libibverbs' destroy verbs return when there
 * are none left: it is the host that waits, with the counts that the destroy verbs here return (`events_reported`).
 */
export function unackedEvents(object: VerbsObject): number {
  return object.asyncReported - object.asyncAcked;
}
