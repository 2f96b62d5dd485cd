// Endpoints of PSM and PSM2 for programs of TypeScript: the driver's endpoint, opened through its extension, driven by the
// device's loop, with promises for what takes a while.
import type { ActiveMessage, PsmEndpoint as DriverEndpoint, Handler } from '../drivers/psm/endpoint.ts';
import type { psm, psm2 } from '../drivers/psm/extension.ts';
import type { Tag } from '../drivers/psm/matched-queue.ts';
import type { Message, Span } from '../drivers/psm/request.ts';
import { ConnectError } from './cm-errors.ts';
import type { BoundExtension } from './extension.ts';
import type { EngineLoop, Watcher } from './loop.ts';
import type { MemoryRegion } from './mr.ts';
import type { ProtectionDomain } from './pd.ts';
import { type PsmOwner, PsmRequest, type Waits } from './psm-request.ts';

/** The methods of `device.extension(psm2)`, or of `device.extension(psm)`. */
export type Psm = BoundExtension<typeof psm2> | BoundExtension<typeof psm>;

/** 96 bits of PSM2 as three words, `tag0` first; of PSM's 64 bits the first two count. */
export type PsmTag = Tag;
export type PsmActiveMessage = ActiveMessage;

export interface PsmEndpointOptions {
  readonly pd: ProtectionDomain;
  /** 16 bytes that all endpoints of a job know: with those of other jobs there are no connections. */
  readonly uuid: Uint8Array;
}

/** Another endpoint that this one is connected to. */
export interface PsmPeer {
  readonly epid: number;
  readonly state: 'connecting' | 'connected' | 'failed';
  /** Why it failed. */
  readonly reason: string | null;
}

/** The bytes of a message: a region, or a part of it. Receives need LOCAL_WRITE. */
export interface PsmSpan {
  readonly mr: MemoryRegion;
  readonly offset?: number;
  readonly length?: number;
}

/** A message that has come, and that nobody has received yet. */
export interface PsmMessage {
  /** The sender's epid. */
  readonly source: number;
  readonly tag: PsmTag;
  readonly length: number;
}

const HANDLERS = 256;
/** While connections are asked for, somebody must look at the time. */
const ASK_MS = 5;

/**
 * An endpoint of PSM2 or PSM. It works whenever the device's loop has its turn; a program that computes for long between its
 * awaits may call {@link progress}.
 *
 * @example
 * await using device = await openDevice({ driver: 'hfi1', address: '127.0.0.1' });
 * using ep = new PsmEndpoint(device.extension(psm2), { pd: device.allocPd(), uuid: Buffer.alloc(16, 'job') });
 */
export class PsmEndpoint implements Watcher {
  /** The name that others connect to it by. */
  readonly epid: number;
  private readonly psm: Psm;
  private readonly endpoint: ReturnType<Psm['open']>['endpoint'];
  private readonly ep: DriverEndpoint;
  private readonly loop: EngineLoop;
  private readonly waits = new Set<Waits>();
  private asking: NodeJS.Timeout | null = null;
  private closed = false;
  private readonly work = (): void => this.loop.posted();
  private readonly owner: PsmOwner = {
    wait: (waits) => this.wait(waits),
    cancel: (request) => !this.closed && this.ep.cancel(request),
  };

  constructor(methods: Psm, options: PsmEndpointOptions) {
    this.psm = methods;
    const { endpoint, epid } = methods.open({ pd: options.pd, uuid: options.uuid });
    this.epid = epid;
    this.endpoint = endpoint;
    this.ep = endpoint.state!.ep;
    this.loop = options.pd.loop;
    // The extension keeps what comes for those who ask by number; here handlers run at once, or there are none.
    for (let index = 0; index < HANDLERS; index++) this.ep.onActive(index, () => {});
    this.loop.watch(this);
  }

  /**
   * Connects to another endpoint. The same peer for the same epid; at once for one that has connected here.
   *
   * @throws {ConnectError} ETIMEDOUT when nobody answers for two seconds, ECONNREFUSED by an endpoint of another job.
   */
  connect(epid: number): Promise<PsmPeer> {
    const connection = this.live().connect(epid);
    this.work();
    this.asking ??= setInterval(this.work, ASK_MS).unref();
    return new Promise((resolve, reject) => {
      this.wait(() => {
        if (connection.state === 'connecting' && !this.closed) return false;
        if (connection.state === 'connected') resolve(connection);
        else reject(connectError(epid, connection.reason));
        return true;
      });
    });
  }

  /** Those it is connected to, or was. */
  get peers(): readonly PsmPeer[] {
    return [...this.ep.connections.values()];
  }

  /** Sends a message; done when its bytes may be changed again. Messages to one peer keep their order. */
  isend(peer: PsmPeer, tag: PsmTag, span: PsmSpan): PsmRequest {
    const ep = this.live();
    return this.requested(ep.isend(this.connectionOf(peer), tag, spanOf(span)));
  }

  /** Posts a receive: of the messages whose tag equals `tag` in the bits of `select`, from one epid or (null) from anybody. */
  irecv(source: number | null, tag: PsmTag, select: PsmTag, span: PsmSpan): PsmRequest {
    return this.requested(this.live().irecv(source, tag, select, spanOf(span)));
  }

  /** The message that such a receive would take now; it stays in the queue. */
  iprobe(source: number | null, tag: PsmTag, select: PsmTag): PsmMessage | null {
    this.progress();
    return this.live().iprobe(source, tag, select);
  }

  /** The same, and it is taken out of the queue: {@link imrecv} receives it, and nothing else does. */
  improbe(source: number | null, tag: PsmTag, select: PsmTag): PsmMessage | null {
    this.progress();
    return this.live().improbe(source, tag, select);
  }

  /** Receives what {@link improbe} has found. */
  imrecv(message: PsmMessage, span: PsmSpan): PsmRequest {
    return this.requested(this.live().imrecv(message as Message, spanOf(span)));
  }

  /** Says what is done with active messages for handler `index`, 0 to 255. One without a handler is dropped. */
  onActive(index: number, handler: (message: PsmActiveMessage) => void): void {
    const run: Handler = handler;
    this.live().onActive(index, run);
  }

  /** Runs a handler at the peer, with up to 8 arguments. Resolves when that has been acknowledged; false: it was not. */
  active(peer: PsmPeer, handler: number, args: readonly bigint[], data?: Uint8Array): Promise<boolean> {
    const ep = this.live();
    return new Promise((resolve) => {
      ep.active(this.connectionOf(peer), handler, args, data, resolve);
      this.work();
    });
  }

  /** The same with a long message, which is written to the peer's memory before the handler runs. */
  activeLong(
    peer: PsmPeer,
    handler: number,
    args: readonly bigint[],
    span: PsmSpan,
    to: { readonly addr: number; readonly rkey: number },
  ): Promise<boolean> {
    const ep = this.live();
    return new Promise((resolve) => {
      ep.activeLong(this.connectionOf(peer), handler, args, spanOf(span), to, resolve);
      this.work();
    });
  }

  /** Takes in what has come, answers, sends what waits. */
  progress(): void {
    const received = this.loop.progress();
    this.check();
    this.loop.polled(received > 0);
  }

  private requested(request: ConstructorParameters<typeof PsmRequest>[0]): PsmRequest {
    this.work();
    return new PsmRequest(request, this.owner);
  }

  private wait(waits: Waits): void {
    if (!waits()) this.waits.add(waits);
  }

  private live(): DriverEndpoint {
    if (this.closed || this.endpoint.destroyed) throw new ConnectError('ECONNABORTED', 'the endpoint is closed');
    return this.ep;
  }

  private connectionOf({ epid }: PsmPeer): ReturnType<DriverEndpoint['connect']> {
    const connection = this.ep.connections.get(epid);
    if (connection === undefined) throw new ConnectError('ECONNRESET', `epid ${epid} is not connected here`);
    return connection;
  }

  /** @internal The engine has made a step. */
  check(): void {
    if (this.closed) return;
    if (this.endpoint.destroyed) return this.cancel();
    this.ep.progress();
    if (this.waits.size > 0) this.settle();
    if (this.asking === null) return;
    for (const { state } of this.ep.connections.values()) if (state === 'connecting') return;
    this.stopAsking();
  }

  private settle(): void {
    for (const waits of this.waits) if (waits()) this.waits.delete(waits);
  }

  private stopAsking(): void {
    if (this.asking !== null) clearInterval(this.asking);
    this.asking = null;
  }

  /** @internal The device is closed, and all that was opened on it. */
  cancel(): void {
    if (this.closed) return;
    this.closed = true;
    this.stopAsking();
    this.loop.unwatch(this);
    this.settle();
  }

  /** Ends its connections. Receives that wait are cancelled, sends that have not arrived fail. */
  close(): void {
    if (this.closed) return;
    if (!this.endpoint.destroyed) this.psm.close({ endpoint: this.endpoint });
    this.cancel();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const spanOf = ({ mr, offset = 0, length = mr.length - offset }: PsmSpan): Span => ({ mr: mr.core, offset, length });

function connectError(epid: number, reason: string | null): ConnectError {
  const why = reason ?? 'the endpoint is closed';
  const code = why.includes('another job') ? 'ECONNREFUSED' : why.includes('nobody') ? 'ETIMEDOUT' : 'ECONNABORTED';
  return new ConnectError(code, `epid ${epid}: ${why}`);
}
