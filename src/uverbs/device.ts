// A uverbs device node: what programs open.
import type { Device } from '../core/device.ts';
import type { Limits } from '../core/limits.ts';
import type { UserAbi } from '../core/user-abi.ts';
import { ErrorWatch } from './error-watch.ts';
import { type FileOwner, UverbsFile } from './file.ts';

/** IB_UVERBS_MAJOR, IB_UVERBS_BASE_MINOR */
const MAJOR = 231;
const BASE_MINOR = 192;
const QUEUE_BYTES = 2 ** 32;
const LIMITS: Partial<Limits> = { comp_channel: 1024 };

export interface UverbsDeviceOptions {
  readonly device: Device;
  readonly abi: UserAbi;
  /** N of uverbsN. Default 0. */
  readonly number?: number;
  /** What one open device may hold. */
  readonly limits?: Partial<Limits>;
  /** Bytes that the queues of one open device may take. Default 4 GiB. */
  readonly queueBytes?: number;
  /** Called with each error that a call ended in, before the program gets its errno. */
  readonly onError?: (error: unknown) => void;
}

export class UverbsDevice {
  readonly device: Device;
  readonly abi: UserAbi;
  readonly number: number;
  readonly cdev: { readonly major: number; readonly minor: number };
  readonly limits: Partial<Limits>;
  readonly queueBytes: number;
  readonly errors: ErrorWatch;
  readonly onError: ((error: unknown) => void) | null;
  private readonly opened = new Map<number, UverbsFile>();
  private lastId = 0;

  constructor(options: UverbsDeviceOptions) {
    this.device = options.device;
    this.abi = options.abi;
    this.number = options.number ?? 0;
    this.cdev = { major: MAJOR, minor: BASE_MINOR + this.number };
    this.limits = { ...LIMITS, ...options.limits };
    this.queueBytes = options.queueBytes ?? QUEUE_BYTES;
    this.errors = new ErrorWatch(this.abi);
    this.onError = options.onError ?? null;
  }

  /** `uverbsN` */
  get name(): string {
    return `uverbs${this.number}`;
  }

  /** Open files by id. */
  get files(): ReadonlyMap<number, UverbsFile> {
    return this.opened;
  }

  /** As open(2) of the node. */
  open(owner: FileOwner): UverbsFile {
    const file = new UverbsFile(++this.lastId, this, owner);
    this.opened.set(file.id, file);
    return file;
  }

  /**
   * What no doorbell and no call tells of: receive requests posted to queue pairs in error are flushed, events that did not
   * fit into their pipes are tried again. To be called after the engine's progress; returns the milliseconds after which it
   * must be called again even if nothing happens, Infinity when it need not be.
   */
  turn(): number {
    let next = this.errors.turn();
    for (const file of this.opened.values()) if (file.events.retry()) next = Math.min(next, 10);
    return next;
  }

  /** For {@link UverbsFile.close}. */
  forget(file: UverbsFile): void {
    this.opened.delete(file.id);
  }
}
