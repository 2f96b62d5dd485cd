import type { MemoryWindow as CoreMw } from '../core/mr.ts';
import { deallocMw, nextKey } from '../core/verbs-mw.ts';
import { type AccessRights, accessBits } from './access.ts';
import type { MemoryRegion } from './mr.ts';

/** What of a region a window opens. */
export interface Bind {
  readonly mr: MemoryRegion;
  /** Offset in the region, and bytes; all of it unless given. */
  readonly offset?: number;
  readonly length?: number;
  readonly access: AccessRights;
}

/** A memory window: made by `pd.allocMw`, bound by `qp.bindMw` (type 1 or 2), and for type 2 invalidated by LOCAL_INV or a peer. */
export class MemoryWindow {
  /** @internal */
  readonly core: CoreMw;

  /** @internal */
  constructor(core: CoreMw) {
    this.core = core;
  }

  /** The key it has now; it changes when a bind is carried out. */
  get rkey(): number {
    return this.core.rkey;
  }

  get bound(): boolean {
    return this.core.mr !== null;
  }

  /** @internal */
  get nextRkey(): number {
    return nextKey(this.core.rkey);
  }

  close(): void {
    if (!this.core.destroyed) deallocMw(this.core);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** @internal */
export function bindArguments(bind: Bind): { addr: number; length: number; access: number } {
  const offset = bind.offset ?? 0;
  const length = bind.length ?? bind.mr.length - offset;
  return { addr: bind.mr.addr + offset, length, access: accessBits('bindMw', bind.access) };
}
