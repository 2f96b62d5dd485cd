// The numbers by which the user of a context names its objects. One series for all kinds, as uverbs has it.
import type { AddressHandle } from './ah.ts';
import type { CompletionChannel, CompletionQueue } from './cq.ts';
import type { ExtensionObject } from './extension-object.ts';
import type { MemoryRegion, MemoryWindow } from './mr.ts';
import type { McastAttachment } from './multicast.ts';
import type { ObjectKind, VerbsObject } from './object.ts';
import type { ProtectionDomain } from './pd.ts';
import type { QueuePair } from './qp.ts';
import type { SharedReceiveQueue } from './srq.ts';

/** The class behind each kind of object. */
export interface ObjectOf {
  pd: ProtectionDomain;
  mr: MemoryRegion;
  mw: MemoryWindow;
  cq: CompletionQueue;
  comp_channel: CompletionChannel;
  qp: QueuePair;
  srq: SharedReceiveQueue;
  ah: AddressHandle;
  mcast: McastAttachment;
  extension: ExtensionObject;
}

const LAST_HANDLE = 0x7fffffff;

/** A number per kind of object, all 0. */
export function noneOfEach(): Record<ObjectKind, number> {
  return { pd: 0, mr: 0, mw: 0, cq: 0, comp_channel: 0, qp: 0, srq: 0, ah: 0, mcast: 0, extension: 0 };
}

export class HandleTable {
  readonly objects = new Map<number, VerbsObject>();
  private readonly counts = noneOfEach();
  private next = 1;

  /**
   * Gives the object its handle. Numbers go up and start over only after the last, so that a handle kept after its
   * object was destroyed names nothing rather than another object.
   */
  insert(object: VerbsObject): number {
    while (this.objects.has(this.next)) this.step();
    object.handle = this.next;
    this.objects.set(object.handle, object);
    this.counts[object.kind]++;
    this.step();
    return object.handle;
  }

  private step(): void {
    this.next = this.next === LAST_HANDLE ? 1 : this.next + 1;
  }

  remove(object: VerbsObject): void {
    if (this.objects.get(object.handle) !== object) return;
    this.objects.delete(object.handle);
    this.counts[object.kind]--;
  }

  /** The object of that kind with that handle; undefined when there is none, or it is of another kind. */
  find<K extends ObjectKind>(kind: K, handle: number): ObjectOf[K] | undefined {
    const object = this.objects.get(handle);
    return object?.kind === kind ? (object as ObjectOf[K]) : undefined;
  }

  count(kind: ObjectKind): number {
    return this.counts[kind];
  }

  /** The objects of a kind, oldest first. */
  ofKind<K extends ObjectKind>(kind: K): ObjectOf[K][] {
    const found: ObjectOf[K][] = [];
    if (this.counts[kind] === 0) return found;
    for (const object of this.objects.values()) if (object.kind === kind) found.push(object as ObjectOf[K]);
    return found;
  }
}
