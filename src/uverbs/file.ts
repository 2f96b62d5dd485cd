// An open uverbs device: what one open(2) of /dev/infiniband/uverbsN stands for.
import type { Context } from '../core/context.ts';
import type { ObjectOf } from '../core/handles.ts';
import type { ObjectKind } from '../core/object.ts';
import type { QueuePair } from '../core/qp.ts';
import { closeContext, openContext } from '../core/verbs-context.ts';
import type { Caller } from './caller.ts';
import type { UverbsDevice } from './device.ts';
import { DoorbellGate } from './doorbell-gate.ts';
import { DoorbellLog } from './doorbell-log.ts';
import { refuse } from './errno.ts';
import { EventFiles } from './event-files.ts';
import { verbsIoctl } from './ioctl.ts';
import { QueueFile } from './queue-file.ts';

/** Who opens the device. */
export interface FileOwner {
  readonly pid: number;
  readonly command: string;
  /** CAP_NET_RAW */
  readonly netRaw: boolean;
}

const NO_CONTEXT = 'the device is open, and has no context yet';

export class UverbsFile {
  readonly id: number;
  readonly device: UverbsDevice;
  readonly owner: FileOwner;
  readonly queues: QueueFile;
  readonly events = new EventFiles();
  readonly gate = new DoorbellGate();
  /** Programs get a memory file. */
  readonly memory = true;
  private readonly log: DoorbellLog;
  private opened: Context | null = null;
  private closed = false;

  /** Made by {@link UverbsDevice.open}. */
  constructor(id: number, device: UverbsDevice, owner: FileOwner) {
    this.id = id;
    this.device = device;
    this.owner = owner;
    this.queues = new QueueFile(`uverbs${device.number}.${id}`, device.queueBytes);
    try {
      this.log = new DoorbellLog(this.queues.file, (handle) => this.ring(handle));
    } catch (error) {
      this.queues.close();
      throw error;
    }
  }

  /**
   * Our descriptor of the file that stands for the device in the program. The program gets a description of its own, opened
   * through /proc/self/fd: it maps its queues from it and writes its doorbells to it.
   */
  get fd(): number {
    return this.queues.file.fd;
  }

  /** RDMA_VERBS_IOCTL with its argument's address: 0 or a positive errno. Never throws. */
  ioctl(caller: Caller, address: number): number {
    return this.closed ? 5 : verbsIoctl(this, caller, address);
  }

  /** Rings the queue pairs whose doorbells the program has written since the last look; how many. Cheap when there are none. */
  takeDoorbells(): number {
    return this.closed ? 0 : this.log.take();
  }

  /** The last look left doorbells for the next. */
  get behind(): boolean {
    return !this.closed && this.log.behind;
  }

  /** The program's last descriptor is closed: all its objects go. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.device.forget(this);
    this.dropContext();
    this.events.close();
    this.queues.close();
  }

  // For the methods

  /** EINVAL before GET_CONTEXT (ib_uverbs_get_ucontext). */
  get context(): Context {
    return this.opened ?? refuse('EINVAL', NO_CONTEXT);
  }

  requireContext(): void {
    if (this.opened === null) refuse('EINVAL', NO_CONTEXT);
  }

  /** GET_CONTEXT; EINVAL a second time. */
  openContext(caller: Caller): Context {
    if (this.opened !== null) refuse('EINVAL', 'there is a context already');
    const { device, owner } = this;
    this.opened = openContext(device.device, {
      owner: `${owner.command}[${owner.pid}]`,
      rights: { netRaw: owner.netRaw && caller.netRaw },
      limits: device.limits,
      contextClass: 'user',
      queueMemory: this.queues.allocate,
    });
    this.opened.onAsyncEvent = this.events.raised;
    return this.opened;
  }

  /** Ends the context with all that is in it. */
  dropContext(): void {
    const context = this.opened;
    if (context === null) return;
    this.opened = null;
    for (const qp of context.handles.ofKind('qp')) this.device.errors.remove(qp);
    try {
      closeContext(context);
    } catch (error) {
      this.device.onError?.(error);
    }
  }

  /** What a native method's handle names: ENOENT when nothing, EINVAL when something else. */
  lookup<K extends ObjectKind>(kind: K, handle: number): ObjectOf[K] {
    const { objects } = this.context;
    const object = objects.get(handle);
    if (object === undefined) refuse('ENOENT', `there is no object with handle ${handle}`);
    if (object.kind !== kind) refuse('EINVAL', `object ${handle} is of kind ${object.kind}, not ${kind}`);
    return object as ObjectOf[K];
  }

  /** What a write command's handle names: EINVAL when it is not one of the kind (uobj_get_obj_read). */
  find<K extends ObjectKind>(kind: K, handle: number): ObjectOf[K] {
    return this.context.handles.find(kind, handle) ?? refuse('EINVAL', `there is no ${kind} with handle ${handle}`);
  }

  /** Runs `tell`, which tells the program of what was made; `undo` if that fails. */
  tellOr(undo: () => void, tell: () => void): void {
    try {
      tell();
    } catch (error) {
      undo();
      throw error;
    }
  }

  private ring(handle: number): void {
    const qp: QueuePair | undefined = this.opened?.handles.find('qp', handle);
    if (qp !== undefined) this.device.abi.doorbell(qp);
  }
}
