// What every verbs object has: a kind, an owner, a handle, and a count of the objects that stand on it.
import type { Context } from './context.ts';

export type ObjectKind = 'pd' | 'mr' | 'mw' | 'cq' | 'comp_channel' | 'qp' | 'srq' | 'ah' | 'mcast' | 'extension';

export abstract class VerbsObject {
  abstract readonly kind: ObjectKind;
  readonly context: Context;
  /** Handle within its context; 0 until the core has taken the object in. */
  handle = 0;
  /** Objects that stand on this one; while there are any it cannot be destroyed (EBUSY). */
  users = 0;
  destroyed = false;
  /** Asynchronous events about this object that were handed to its context, and how many of them it acknowledged. */
  asyncReported = 0;
  asyncAcked = 0;

  constructor(context: Context) {
    this.context = context;
  }
}
