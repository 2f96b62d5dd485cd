import { EventEmitter } from 'node:events';
import { EventType, type EventTypeName, mtuBytes, nameOf, PortState } from '../core/constants.ts';
import type { Context, AsyncEvent as CoreEvent } from '../core/context.ts';
import type { DeviceAttributes, PortAttributes } from '../core/driver.ts';
import { ackAsyncEvent } from '../core/events.ts';
import type { Extension } from '../core/extension.ts';
import { gidToText } from '../core/gid-text.ts';
import type { Injector } from '../core/injector.ts';
import { listResources, type ResourceEntry } from '../core/resources.ts';
import { closeContext } from '../core/verbs-context.ts';
import { createCq } from '../core/verbs-cq.ts';
import { allocPd } from '../core/verbs-pd.ts';
import type { Machine } from '../drivers/machine.ts';
import type { LinkStats } from '../link/link.ts';
import type { Counters } from '../transport/counters.ts';
import type { CaptureFile } from './capture-file.ts';
import { CompletionQueue } from './cq.ts';
import { type BoundExtension, bindExtension } from './extension.ts';
import { EngineLoop } from './loop.ts';
import { ProtectionDomain } from './pd.ts';
import { realAddresses } from './virtual-address.ts';

/** Something that happened to an object, the port or the device (`struct ibv_async_event`). */
export interface AsyncEvent {
  readonly type: EventTypeName;
  /** The queue pair, for events of queue pairs. */
  readonly qpn?: number;
  /** Kind and handle of the object; none for events of the port or the device. */
  readonly object?: { readonly kind: string; readonly handle: number };
}

/** One of the device's addresses. */
export interface Gid {
  readonly index: number;
  readonly gid: string;
  readonly type: string;
}

export interface DeviceEvents {
  async: [event: AsyncEvent];
}

/**
 * An open RDMA device: made by {@link openDevice}. It keeps the process alive until it is closed (or {@link unref}).
 * Emits `async` for asynchronous events.
 */
export class Device extends EventEmitter<DeviceEvents> {
  /** @internal */
  readonly machine: Machine;
  /** @internal */
  readonly context: Context;
  /** @internal */
  readonly loop: EngineLoop;
  /** @internal What is to be ended before the device is. */
  readonly closers: (() => void)[] = [];
  private readonly capture: CaptureFile | null;
  private closed = false;
  /** Of events that are made to come. */
  private readonly timers: readonly NodeJS.Timeout[];
  private readonly flushCapture = (): void => this.capture?.flush();

  /** @internal */
  constructor(machine: Machine, context: Context, capture: CaptureFile | null, injector: Injector | null) {
    super();
    this.machine = machine;
    this.capture = capture;
    this.context = context;
    this.context.onAsyncEvent = (event) => {
      this.emit('async', describe(event));
      ackAsyncEvent(event);
    };
    this.loop = new EngineLoop(machine.engine, machine.link);
    this.timers = (injector?.timedEvents(machine.device) ?? []).map(({ seconds, raise }) =>
      setTimeout(raise, seconds * 1000).unref(),
    );
    if (capture !== null) {
      // So that a process that is killed loses little, and one that exits nothing.
      this.loop.onSleep = this.flushCapture;
      process.on('exit', this.flushCapture);
    }
  }

  get name(): string {
    return this.machine.device.name;
  }

  get driver(): string {
    return this.machine.device.driver;
  }

  /** `ibv_query_device` */
  query(): DeviceAttributes {
    return this.machine.device.attributes;
  }

  /** `ibv_query_port` */
  queryPort(): PortAttributes {
    return this.machine.device.ops.queryPort(1);
  }

  get portState(): string {
    return nameOf(PortState, this.queryPort().state);
  }

  /** Largest path MTU in bytes. */
  get mtu(): number {
    return mtuBytes(this.queryPort().activeMtu);
  }

  /** The GIDs: one for each address; of InfiniBand-like devices, one made of the LID. */
  get gids(): Gid[] {
    return this.machine.device.gids.list().map(({ index, gid, type }) => ({ index, gid: gidToText(gid), type }));
  }

  /** The P_Key table; 0 where there is none. RoCE has the default partition only. */
  get pkeys(): number[] {
    return [...this.machine.device.pkeys.entries];
  }

  /** Mandatory verbs the driver lacks; none for a device that may be used from within the process. */
  get missingVerbs(): readonly string[] {
    return this.machine.device.missingVerbs;
  }

  /** Counters since it was opened: of the transport, and of the sockets. */
  get counters(): Counters & { readonly link: LinkStats } {
    const { engine, port, link } = this.machine;
    engine.counters.icrc_errors = port?.icrcErrors ?? 0;
    return { ...engine.counters, link: { ...link.stats } };
  }

  /** Packets taken in since it was opened: as in {@link counters}, but cheap enough for a loop that polls. */
  get packetsReceived(): number {
    return this.machine.engine.counters.rcvd_pkts;
  }

  /**
   * The methods of an extension of the device's driver: objects of its own types, on the same context as everything else.
   *
   * @throws {VerbsError} EPROTONOSUPPORT when the device has it not.
   */
  extension<E extends Extension>(extension: E): BoundExtension<E> {
    return bindExtension(extension, this.context);
  }

  /** All live objects with owner and state, as `rdma resource show` lists them. */
  resources(): ResourceEntry[] {
    return listResources(this.machine.device);
  }

  allocPd(): ProtectionDomain {
    return new ProtectionDomain(allocPd(this.context), this.loop, realAddresses);
  }

  /** A completion queue with room for at least `cqe` completions. Default 256. */
  createCq(options: { readonly cqe?: number } = {}): CompletionQueue {
    return new CompletionQueue(createCq(this.context, options.cqe ?? 256), this.loop);
  }

  /**
   * Takes in what has arrived and sends what can be sent. Polling a CQ does it, and so does the event loop; a program that
   * computes for long between the two may call it, so that peers need not wait.
   */
  progress(): void {
    this.loop.progress();
  }

  /** Lets the process end although the device is open. */
  unref(): this {
    this.loop.unref();
    return this;
  }

  ref(): this {
    this.loop.ref();
    return this;
  }

  /** Destroys all that is left of the device's objects and closes its sockets. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    for (const timer of this.timers) clearTimeout(timer);
    for (const close of this.closers) close();
    // What was promised to peers (acknowledgements) goes out first.
    this.machine.engine.progress();
    closeContext(this.context);
    this.loop.close();
    this.machine.close();
    process.off('exit', this.flushCapture);
    this.capture?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function describe({ type, object }: CoreEvent): AsyncEvent {
  const name = nameOf(EventType, type) as EventTypeName;
  if (object === null) return { type: name };
  const { kind, handle } = object;
  return 'qpn' in object
    ? { type: name, qpn: object.qpn as number, object: { kind, handle } }
    : { type: name, object: { kind, handle } };
}
