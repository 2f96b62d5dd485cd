// A user of a device: its objects live in it, its asynchronous events go to it, its rights are its own.
import type { Device } from './device.ts';
import type { VerbsObject } from './object.ts';

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
}

export class Context {
  readonly device: Device;
  readonly owner: string;
  readonly rights: Rights;
  readonly objects = new Map<number, VerbsObject>();
  /** Called for each asynchronous event of an object of this context, or of the port and the device. */
  onAsyncEvent: ((event: AsyncEvent) => void) | null = null;
  closed = false;

  constructor(device: Device, owner: string, rights: Rights) {
    this.device = device;
    this.owner = owner;
    this.rights = rights;
  }
}
