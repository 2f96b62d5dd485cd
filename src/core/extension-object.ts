import type { Context } from './context.ts';
import type { ExtensionObjectType } from './extension-attrs.ts';
import { VerbsObject } from './object.ts';

/** An object of a driver's own type. */
export class ExtensionObject<S = unknown> extends VerbsObject {
  readonly kind = 'extension';
  readonly type: ExtensionObjectType<S>;
  /** What the driver keeps in it; set by the method that makes the object. */
  state: S | null = null;
  /** The objects it stands on. */
  readonly parents: VerbsObject[] = [];

  constructor(context: Context, type: ExtensionObjectType<S>) {
    super(context);
    this.type = type;
  }
}
