// Listening for connections: a server is an async iterable of requests.

import { EventChannel } from '../cm/rdma/channel.ts';
import type { RdmaCmEvent } from '../cm/rdma/events.ts';
import type { RdmaCmId } from '../cm/rdma/id.ts';
import { QpState } from '../core/constants.ts';
import { VerbsError } from '../core/errors.ts';
import { addressBytes, addressText } from '../os/addresses.ts';
import { PortSpace } from '../wire/cm-ip.ts';
import { ConnectError } from './cm-errors.ts';
import { type CmHost, cmOf } from './cm-host.ts';
import { CmSession } from './cm-session.ts';
import { CONNECT_DEFAULTS } from './connect.ts';
import { Connection, type ConnectionAddress, type ConnectionQpOptions, prepareQp } from './connection.ts';
import type { WaitOptions } from './cq.ts';
import type { Device } from './device.ts';

export interface ListenOptions {
  readonly device: Device;
  /** Below 1024 as for sockets: not everybody may. Default: a free one. */
  readonly port?: number;
  /** One of the device's addresses. Default: all of them. */
  readonly address?: string;
  /** Requests that wait to be accepted; peers of further ones have to ask again. Default 128. */
  readonly backlog?: number;
  /** Closes the server. */
  readonly signal?: AbortSignal;
}

/** Somebody wants to connect: accept it or reject it. */
export class ConnectionRequest {
  /** What the peer's program said, filled up with zeros to 56 bytes. */
  readonly privateData: Buffer;
  private readonly session: CmSession;
  private readonly event: RdmaCmEvent;
  private answered = false;

  /** @internal */
  constructor(session: CmSession, event: RdmaCmEvent) {
    this.session = session;
    this.event = event;
    this.privateData = Buffer.from(event.conn!.privateData);
  }

  get remote(): ConnectionAddress {
    const { address, port } = this.session.id.dst!;
    return { address: addressText(address), port };
  }

  /** Accepts: resolves when the peer has confirmed. What it asks for in READs and atomics is granted up to the options. */
  async accept(options: ConnectionQpOptions = {}): Promise<Connection> {
    this.answer();
    const { session, event } = this;
    const { id } = session;
    const conn = event.conn!;
    const where = `${this.remote.address} port ${this.remote.port}`;
    const forget = session.host.onClose(() => session.abort(new ConnectError('ECONNABORTED', 'the device was closed')));
    let owned: readonly { close(): void }[] = [];
    try {
      const prepared = prepareQp(session, options);
      owned = prepared.owned;
      const { qp, pd, sendCq, recvCq } = prepared;
      const most = CONNECT_DEFAULTS.resources;
      const responderResources = Math.min(conn.responderResources, options.responderResources ?? most);
      const initiatorDepth = Math.min(conn.initiatorDepth, options.initiatorDepth ?? most);
      session.setResources(responderResources, initiatorDepth);
      session.walk(qp, QpState.RTR, QpState.RTS);
      const rnrRetryCount = options.rnrRetry ?? 7;
      const { privateData, srq } = options;
      id.accept({
        qpn: qp.qpn,
        privateData,
        responderResources,
        initiatorDepth,
        rnrRetryCount,
        srq: srq !== undefined,
      });
      await session.expect('ESTABLISHED', where, options.signal);
      return new Connection({ session, qp, pd, owned, privateData: this.privateData }, sendCq, recvCq);
    } catch (error) {
      id.destroy();
      for (const object of owned) object.close();
      throw error;
    } finally {
      forget();
    }
  }

  /** Refuses; `privateData` is for the peer's program, at most 148 bytes. */
  reject(privateData?: Uint8Array): void {
    this.answer();
    // It may have given up meanwhile.
    if (this.session.id.state === 'CONNECT') this.session.id.reject(privateData);
    this.session.id.destroy();
  }

  private answer(): void {
    if (this.answered) throw new VerbsError('accept', 'EINVAL', 'the request was answered already');
    this.answered = true;
  }
}

interface Waiting {
  readonly resolve: (request: ConnectionRequest | null) => void;
  readonly reject: (reason: unknown) => void;
}

/** A listener: made by {@link listen}. */
export class Server implements AsyncIterable<ConnectionRequest> {
  private readonly host: CmHost;
  private readonly id: RdmaCmId;
  private readonly channel = new EventChannel();
  private readonly waiting: Waiting[] = [];
  private readonly forget: () => void;
  private closed = false;

  /** @internal */
  constructor(options: ListenOptions) {
    const { device, port = 0, address, backlog = 128, signal } = options;
    signal?.throwIfAborted();
    this.host = cmOf(device);
    this.id = this.host.rdma.createId({ channel: this.channel, portSpace: PortSpace.TCP, rights: this.host.rights });
    try {
      this.id.bind(address === undefined ? new Uint8Array(16) : addressBytes(address), port);
      this.id.listen(backlog);
    } catch (error) {
      this.id.destroy();
      throw error;
    }
    this.channel.onEvent = () => this.pump();
    this.forget = this.host.onClose(() => this.close());
    signal?.addEventListener('abort', () => this.close(), { once: true });
  }

  get port(): number {
    return this.id.src!.port;
  }

  /** `::` when it listens on all addresses of the device. */
  get address(): string {
    return addressText(this.id.src!.address);
  }

  /** The next request; rejects when the server is closed. */
  async next(options: WaitOptions = {}): Promise<ConnectionRequest> {
    const request = await this.take(options.signal);
    if (request === null) throw new VerbsError('accept', 'ECANCELED', 'the server was closed');
    return request;
  }

  /** Requests as they come, until the server is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ConnectionRequest, void, void> {
    for (;;) {
      const request = await this.take(undefined);
      if (request === null) return;
      yield request;
    }
  }

  private take(signal: AbortSignal | undefined): Promise<ConnectionRequest | null> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.closed) return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.waiting.splice(this.waiting.indexOf(waiting), 1);
        reject(signal!.reason);
      };
      const waiting: Waiting = {
        resolve: (request) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(request);
        },
        reject,
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.waiting.push(waiting);
      this.pump();
    });
  }

  private pump(): void {
    while (this.waiting.length > 0) {
      const event = this.channel.get();
      if (event === null) return;
      if (event.type !== 'CONNECT_REQUEST') continue;
      const session = CmSession.forRequest(this.host, event.id);
      this.waiting.shift()!.resolve(new ConnectionRequest(session, event));
    }
  }

  /** Hears no more; requests that wait are refused. Connections that were accepted stay. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.forget();
    this.id.destroy();
    for (const { resolve } of this.waiting.splice(0)) resolve(null);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Listens for connections, from here or from any program that uses rdma_cm.
 *
 * @throws {VerbsError} EADDRINUSE, EADDRNOTAVAIL, EACCES.
 * @example
 * await using device = await openDevice({ address: '127.0.0.2' });
 * using server = listen({ device, port: 7471 });
 * for await (const request of server) {
 *   const connection = await request.accept();
 *   console.log(`${connection.remote.address} has connected`);
 * }
 */
export function listen(options: ListenOptions): Server {
  return new Server(options);
}
