// A user of a device: its objects live in it, its asynchronous events go to it, its rights are its own.
import type { Device } from './device.ts';
import { HandleTable } from './handles.ts';
import { type Limits, limitsWith } from './limits.ts';
import type { VerbsObject } from './object.ts';
import { localQueueMemory, type QueueMemory } from './queue-memory.ts';

/** `struct ibv_async_event`: what happened, and to which object (null: the port or the device). */
export interface AsyncEvent {
  /** `EventType` */
  readonly type: number;
  readonly object: VerbsObject | null;
}

/** What the user of a context may do beyond the common. */
export interface Rights {
  /** CAP_NET_RAW: raw packet QPs, and Q_Keys with the high bit set. */
  readonly netRaw: boolean;
  /** QP0 and QP1 (SMI, GSI): for the part of the host that speaks management datagrams for all. */
  readonly management?: boolean;
}

/** In-process code (as Linux's in-kernel ULPs), or a program behind uverbs. */
export type ContextClass = 'consumer' | 'user';

export class Context {
  readonly device: Device;
  readonly owner: string;
  readonly rights: Rights;
  readonly limits: Limits;
  readonly contextClass: ContextClass;
  /** Where its queues lie: drivers lay them out in this. */
  readonly queueMemory: QueueMemory;
  readonly handles = new HandleTable();
  /** All live objects by handle. */
  readonly objects: ReadonlyMap<number, VerbsObject> = this.handles.objects;
  /** Called for each asynchronous event of an object of this context, or of the port and the device. */
  onAsyncEvent: ((event: AsyncEvent) => void) | null = null;
  /** Bytes that the context's memory regions cover. */
  registeredBytes = 0;
  closed = false;

  constructor(
    device: Device,
    owner: string,
    rights: Rights,
    limits: Limits = limitsWith(),
    contextClass: ContextClass = 'consumer',
    queueMemory: QueueMemory = localQueueMemory,
  ) {
    this.device = device;
    this.owner = owner;
    this.rights = rights;
    this.limits = limits;
    this.contextClass = contextClass;
    this.queueMemory = queueMemory;
  }
}
