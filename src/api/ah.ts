import type { AddressHandle as CoreAh } from '../core/ah.ts';
import { destroyAh } from '../core/verbs-ah.ts';

/** An address handle: where a UD queue pair sends to. Made by `pd.createAh`. */
export class AddressHandle {
  /** @internal */
  readonly core: CoreAh;

  /** @internal */
  constructor(core: CoreAh) {
    this.core = core;
  }

  close(): void {
    if (!this.core.destroyed) destroyAh(this.core);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
