// A registered device: its driver's verbs, its tables of keys and addresses, and who uses it.
import type { AsyncEvent, Context } from './context.ts';
import type { DriverOps } from './driver.ts';
import { KeyTable } from './keys.ts';
import type { VerbsObject } from './object.ts';

export class Device {
  readonly name: string;
  readonly ops: DriverOps;
  readonly keys = new KeyTable();
  readonly contexts = new Set<Context>();

  constructor(name: string, ops: DriverOps) {
    this.name = name;
    this.ops = ops;
  }

  /** Raises an asynchronous event: to the object's context, or to all when it concerns the port or the device. */
  raise(type: number, object: VerbsObject | null): void {
    const event: AsyncEvent = { type, object };
    if (object !== null) object.context.onAsyncEvent?.(event);
    else for (const context of this.contexts) context.onAsyncEvent?.(event);
  }
}
