// Opening and closing devices.
import { checkOpen, fail } from './check.ts';
import { Context, type ContextClass, type Rights } from './context.ts';
import type { Device } from './device.ts';
import { destroyExtensionObject } from './extension-call.ts';
import type { ObjectOf } from './handles.ts';
import { type Limits, limitsWith } from './limits.ts';
import type { ObjectKind } from './object.ts';
import type { QueueMemory } from './queue-memory.ts';
import { release } from './tracking.ts';
import { destroyAh } from './verbs-ah.ts';
import { destroyCompChannel, destroyCq } from './verbs-cq.ts';
import { destroyMcast } from './verbs-mcast.ts';
import { deregMr } from './verbs-mr.ts';
import { deallocMw } from './verbs-mw.ts';
import { deallocPd } from './verbs-pd.ts';
import { destroyQp } from './verbs-qp.ts';
import { destroySrq } from './verbs-srq.ts';

export interface OpenOptions {
  /** Whose context it is, as resource listings show it: `perftest[4711]`. */
  readonly owner: string;
  readonly rights?: Partial<Rights>;
  readonly limits?: Partial<Limits>;
  /** `user` for a program behind uverbs; in-process code is a `consumer`, and gets kernel-verbs devices only. */
  readonly contextClass?: ContextClass;
  /** Where work and completion queues lie, for an owner that maps them; else they are private to this process. */
  readonly queueMemory?: QueueMemory;
}

/** `ibv_open_device` */
export function openContext(device: Device, options: OpenOptions): Context {
  const verb = 'openContext';
  if (!device.registered) fail(verb, 'ENODEV', `device ${device.name} is not registered`);
  const contextClass = options.contextClass ?? 'consumer';
  if (contextClass === 'consumer' && !device.kverbs) {
    fail(
      verb,
      'EOPNOTSUPP',
      `device ${device.name} is for user contexts only: its driver ${device.driver} lacks ${device.missingVerbs.join(', ')}`,
    );
  }
  const rights: Rights = { netRaw: options.rights?.netRaw === true, management: options.rights?.management === true };
  const context = new Context(
    device,
    options.owner,
    rights,
    limitsWith(options.limits),
    contextClass,
    options.queueMemory,
  );
  device.contexts.add(context);
  return context;
}

type Destroyer<K extends ObjectKind> = readonly [kind: K, destroy: (object: ObjectOf[K]) => void];
const step = <K extends ObjectKind>(kind: K, destroy: (object: ObjectOf[K]) => void): Destroyer<K> => [kind, destroy];

// Users before what they use.
const ORDER: readonly Destroyer<ObjectKind>[] = [
  step('extension', destroyExtensionObject),
  step('mcast', destroyMcast),
  step('qp', destroyQp),
  step('mw', deallocMw),
  step('srq', destroySrq),
  step('cq', destroyCq),
  step('comp_channel', destroyCompChannel),
  step('ah', destroyAh),
  step('mr', deregMr),
  step('pd', deallocPd),
] as never;

/**
 * `ibv_close_device`, and what becomes of a program that dies: all that is left in the context is destroyed, users before
 * what they use and of each kind the youngest first. A driver that fails to destroy an object keeps nothing open: the core
 * lets go of it all the same, and throws an AggregateError when it is done.
 */
export function closeContext(context: Context): void {
  checkOpen('closeContext', context);
  context.onAsyncEvent = null;
  const errors: unknown[] = [];
  for (const [kind, destroy] of ORDER) {
    for (const object of context.handles.ofKind(kind).toReversed()) {
      if (object.destroyed) continue;
      try {
        destroy(object);
      } catch (error) {
        errors.push(error);
        release(object);
      }
    }
  }
  context.closed = true;
  context.device.contexts.delete(context);
  if (errors.length > 0)
    throw new AggregateError(errors, `closing the context of ${context.owner}: ${errors.length} errors`);
}
