// The connection manager of an open device, made with the first connection or listener: it has queue pair 1.
import { randomInt } from 'node:crypto';
import { Gsi } from '../cm/gsi.ts';
import { IbCm } from '../cm/ib/cm.ts';
import { RdmaCm } from '../cm/rdma/rdma-cm.ts';
import type { CmDevice } from '../cm/rdma/route.ts';
import { LinkLayer } from '../core/constants.ts';
import type { CompletionChannel, CompletionQueue as CoreCq } from '../core/cq.ts';
import { VerbsError } from '../core/errors.ts';
import { createCompChannel, createCq, reqNotifyCq } from '../core/verbs-cq.ts';
import { monotonic } from '../link/clock.ts';
import { CompletionQueue } from './cq.ts';
import type { Device } from './device.ts';
import type { Watcher } from './loop.ts';
import { hostPortRules } from './port-rules.ts';

const hosts = new WeakMap<Device, CmHost>();

/** The device's connection manager. EOPNOTSUPP for a device whose addresses are not IP addresses. */
export function cmOf(device: Device): CmHost {
  let host = hosts.get(device);
  if (host === undefined) {
    if (device.queryPort().linkLayer !== LinkLayer.ETHERNET) {
      // On InfiniBand rdma_cm finds the way by IPoIB, and the agent on QP1 answers: neither is here.
      throw new VerbsError(
        'connect',
        'EOPNOTSUPP',
        `connections are made by IP address; device ${device.name} (${device.driver}) has LIDs: exchange endpoints, qp.connect()`,
      );
    }
    host = new CmHost(device);
    hosts.set(device, host);
  }
  return host;
}

/** Called when completions wait in a queue of {@link CmHost.createCq}. */
export type OnCompletions = () => void;

export class CmHost implements Watcher {
  readonly device: Device;
  readonly rdma: RdmaCm;
  readonly rights = { netBindService: process.geteuid?.() === 0 };
  private readonly cmDevice: CmDevice;
  private timer: NodeJS.Timeout | null = null;
  private timerAt = Number.POSITIVE_INFINITY;
  private channel: CompletionChannel | null = null;
  private readonly callbacks = new Map<CoreCq, OnCompletions>();
  private ready: CoreCq[] = [];
  private readonly closers = new Set<() => void>();
  private readonly wake = (): void => {
    this.timer = null;
    this.timerAt = Number.POSITIVE_INFINITY;
    this.device.loop.posted();
    this.check();
  };

  constructor(device: Device) {
    this.device = device;
    const gsi = new Gsi(device.machine.device);
    const ib = new IbCm({ port: gsi, clock: monotonic, random: randomInt });
    this.cmDevice = { gsi, ib };
    this.rdma = new RdmaCm({ random: randomInt, portRules: hostPortRules() });
    this.rdma.addDevice(this.cmDevice);
    gsi.onPosted = () => device.loop.said();
    device.loop.watch(this);
    device.closers.push(() => this.close());
  }

  /** The engine has made a step. */
  check(): void {
    this.rdma.progress();
    const ready = this.ready;
    if (ready.length > 0) {
      this.ready = [];
      for (const cq of ready) this.callbacks.get(cq)?.();
    }
    this.arm();
  }

  private arm(): void {
    const due = this.rdma.nextDeadline;
    if (due >= this.timerAt) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timerAt = due;
    const ms = Math.min(2 ** 31 - 1, Math.max(0, Math.ceil((due - monotonic()) / 1000)));
    // It is the device that keeps the process alive.
    this.timer = setTimeout(this.wake, ms).unref();
  }

  /** The loop has ended. */
  cancel(): void {}

  /** A completion queue that calls back instead of being polled. */
  createCq(cqe: number, onCompletions: OnCompletions): CompletionQueue {
    const { context, loop } = this.device;
    this.channel ??= this.createChannel();
    const core = createCq(context, cqe, this.channel);
    this.callbacks.set(core, onCompletions);
    reqNotifyCq(core, false);
    return new CompletionQueue(core, loop);
  }

  private createChannel(): CompletionChannel {
    const channel = createCompChannel(this.device.context);
    channel.onEvent = (cq) => void this.ready.push(cq);
    return channel;
  }

  /** To be called when all completions were taken out: the next one calls back. True when there are some already. */
  rearm(cq: CompletionQueue): boolean {
    return reqNotifyCq(cq.core, false);
  }

  forgetCq(cq: CompletionQueue): void {
    this.callbacks.delete(cq.core);
  }

  /** Calls `close` when the device is closed, unless told otherwise. */
  onClose(close: () => void): () => void {
    this.closers.add(close);
    return () => void this.closers.delete(close);
  }

  close(): void {
    for (const close of [...this.closers]) close();
    for (const id of [...this.rdma.ids]) id.destroy();
    this.device.loop.unwatch(this);
    if (this.timer !== null) clearTimeout(this.timer);
    this.device.machine.engine.progress();
    this.rdma.removeDevice(this.cmDevice);
    hosts.delete(this.device);
  }
}
