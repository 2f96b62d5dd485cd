// A stream of bytes over RDMA, as net.Socket is one over TCP. On the wire it is an rsocket.
import { Duplex } from 'node:stream';
import { VerbsError } from '../core/errors.ts';
import { WireError } from '../wire/error.ts';
import { parseRsConn } from '../wire/rsocket.ts';
import { ConnectError } from './cm-errors.ts';
import { type CmHost, cmOf } from './cm-host.ts';
import { type ConnectToOptions, connect } from './connect.ts';
import type { Connection, ConnectionAddress, ConnectionQpOptions } from './connection.ts';
import type { CompletionQueue } from './cq.ts';
import type { Device } from './device.ts';
import { WcError } from './errors.ts';
import { type ConnectionRequest, type ListenOptions, listen, type Server } from './listen.ts';
import { QUEUE, RSocket, type RSocketOptions } from './rsocket.ts';

export interface RdmaSocketOptions extends RSocketOptions {
  /** As of net.Socket: when the peer has ended, it may still be written to. Default false. */
  readonly allowHalfOpen?: boolean;
  /** Milliseconds without anything sent after which it is found out whether the peer is there. Default: never. */
  readonly keepAlive?: number;
  readonly signal?: AbortSignal;
}

export interface ConnectSocketOptions
  extends RdmaSocketOptions,
    Pick<
      ConnectToOptions,
      'device' | 'port' | 'localAddress' | 'localPort' | 'tos' | 'ackTimeout' | 'responseTimeout' | 'maxCmRetries'
    > {}

export interface ListenSocketOptions extends RdmaSocketOptions, ListenOptions {}

/**
 * A connected stream: a Duplex with back-pressure from end to end. Made by {@link connectSocket} and {@link listenSocket}.
 * The peer may be a program of librdmacm's rsocket(7), such as rstream.
 */
export class RdmaSocket extends Duplex {
  private connection: Connection | null = null;
  private readonly rs: { current: RSocket | null } = { current: null };
  private readonly host: CmHost;
  private readonly cq: CompletionQueue;
  private writing: { bytes: Uint8Array; at: number; done: (error?: Error | null) => void } | null = null;
  private readonly forget: () => void;
  private finishing: ((error?: Error | null) => void) | null = null;
  private timer: NodeJS.Timeout | null = null;
  private peerEnded = false;
  bytesRead = 0;
  bytesWritten = 0;

  private constructor(device: Device, options: RdmaSocketOptions) {
    super({ allowHalfOpen: options.allowHalfOpen ?? false, signal: options.signal });
    this.host = cmOf(device);
    this.cq = this.host.createCq(2 * QUEUE, () => this.poll());
    this.forget = this.host.onClose(() => void this.destroy());
  }

  /** @internal */
  static async dial(address: string, options: ConnectSocketOptions): Promise<RdmaSocket> {
    const socket = new RdmaSocket(options.device, options);
    const { privateData, ...qp } = socket.qpOptions(options);
    // The buffers' keys are known when the queue pair's protection domain is: the private data is asked for last.
    return socket.adopt(
      connect(address, {
        ...options,
        ...qp,
        get privateData() {
          return privateData();
        },
      }),
      options,
    );
  }

  /** @internal */
  static async answer(device: Device, request: ConnectionRequest, options: RdmaSocketOptions): Promise<RdmaSocket> {
    const peer = parseRsConn(request.privateData, 0);
    if (peer instanceof WireError) {
      request.reject();
      throw new ConnectError('EPROTO', `${request.remote.address} speaks no rsocket: ${peer.message}`);
    }
    const socket = new RdmaSocket(device, options);
    const { privateData, ...qp } = socket.qpOptions(options);
    return socket.adopt(
      request.accept({
        ...qp,
        get privateData() {
          return privateData();
        },
      }),
      options,
    );
  }

  private qpOptions(
    options: RdmaSocketOptions,
  ): Omit<ConnectionQpOptions, 'privateData'> & { privateData: () => Buffer } {
    return {
      sendCq: this.cq,
      maxSendWr: QUEUE,
      maxRecvWr: QUEUE,
      maxInlineData: 64,
      responderResources: 0,
      initiatorDepth: 0,
      signal: options.signal,
      prepare: (qp, pd) => {
        const rs = new RSocket(pd, qp, this.cq, this.streamEvents(), options);
        rs.prepare();
        this.rs.current = rs;
      },
      privateData: () => this.rs.current!.connData(),
    };
  }

  private async adopt(pending: Promise<Connection>, options: RdmaSocketOptions): Promise<RdmaSocket> {
    try {
      this.connection = await pending;
      const peer = parseRsConn(this.connection.privateData, 0);
      if (peer instanceof WireError) throw new ConnectError('EPROTO', `the peer speaks no rsocket: ${peer.message}`);
      this.rs.current!.connected(peer);
    } catch (error) {
      this.destroy();
      throw error;
    }
    void this.connection.closed.then(() => this.gone());
    if (options.keepAlive !== undefined) {
      this.timer = setInterval(() => this.rs.current?.keepAlive(), options.keepAlive).unref();
    }
    this.poll();
    return this;
  }

  get localAddress(): ConnectionAddress | null {
    return this.connection?.local ?? null;
  }

  get remoteAddress(): ConnectionAddress | null {
    return this.connection?.remote ?? null;
  }

  private streamEvents(): ConstructorParameters<typeof RSocket>[3] {
    return {
      data: (bytes) => {
        this.bytesRead += bytes.length;
        return this.push(bytes);
      },
      end: () => {
        this.peerEnded = true;
        this.push(null);
      },
      drain: () => this.continue(),
      flushed: () => this.flushed(),
      error: (error) => void this.destroy(errorOf(error)),
      // When the connection has ended, that tells what it means.
      broken: (error) => {
        if (!this.connection!.over) this.destroy(errorOf(error));
      },
    };
  }

  private poll(): void {
    // Completions before the peer is known wait.
    if (this.connection === null || this.cq.core.destroyed) return;
    do this.rs.current!.poll();
    while (!this.cq.core.destroyed && this.host.rearm(this.cq));
  }

  // Writing

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.writing = { bytes: chunk, at: 0, done };
    this.continue();
  }

  private continue(): void {
    const { writing } = this;
    if (writing === null || this.connection === null) return;
    const n = this.rs.current!.write(writing.at === 0 ? writing.bytes : writing.bytes.subarray(writing.at));
    writing.at += n;
    this.bytesWritten += n;
    if (writing.at < writing.bytes.length) return;
    this.writing = null;
    writing.done();
  }

  override _final(done: (error?: Error | null) => void): void {
    const rs = this.rs.current;
    if (rs === null || this.connection === null) return done();
    this.finishing = done;
    rs.shutdown(this.peerEnded);
    this.flushed();
  }

  /** All has arrived: who waits for the end of writing has waited long enough. */
  private flushed(): void {
    if (this.finishing === null || !this.rs.current!.idle) return;
    const done = this.finishing;
    this.finishing = null;
    done();
  }

  // Reading

  override _read(): void {
    this.rs.current?.resume();
  }

  // The end

  /** The connection is over: in order if the peer has said that it is done and nothing is left to be told to it. */
  private gone(): void {
    if (this.destroyed) return;
    this.poll();
    const untold = this.writing !== null || this.writableLength > 0;
    if (this.peerEnded && !untold) {
      // What was ended here ends by itself.
      if (!this.writableEnded) this.destroy();
    } else this.destroy(new ConnectError('ECONNRESET', 'the peer has ended the connection'));
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.forget();
    // As a TCP socket that is closed in peace: the peer reads to the end, and meets no error.
    // (`for await` that has read all aborts what it leaves half open.)
    const peace = error === null || (this.peerEnded && error.name === 'AbortError');
    if (peace && this.writing === null && this.connection !== null) this.rs.current?.bye();
    this.rs.current?.close();
    this.connection?.close();
    this.host.forgetCq(this.cq);
    if (!this.cq.core.destroyed) this.cq.close();
    const { writing, finishing } = this;
    this.writing = null;
    this.finishing = null;
    writing?.done(error ?? new ConnectError('ECONNABORTED', 'the socket was destroyed'));
    finishing?.(error);
    done(error);
  }

  /** Keeps the socket for `using`: ends it without waiting for what is under way. */
  [Symbol.dispose](): void {
    this.destroy();
  }
}

function errorOf(error: Error): Error {
  if (!(error instanceof WcError)) return error;
  const code = error.status === 'RETRY_EXC_ERR' ? 'ETIMEDOUT' : 'ECONNRESET';
  return new ConnectError(code, error.message);
}

/** A listener for streams: made by {@link listenSocket}. */
export class SocketServer implements AsyncIterable<RdmaSocket> {
  private readonly server: Server;
  private readonly options: ListenSocketOptions;

  /** @internal */
  constructor(options: ListenSocketOptions) {
    this.server = listen(options);
    this.options = options;
  }

  get port(): number {
    return this.server.port;
  }

  get address(): string {
    return this.server.address;
  }

  /** The next stream; rejects when the server is closed, or what came is no stream. */
  async next(options: { readonly signal?: AbortSignal } = {}): Promise<RdmaSocket> {
    return RdmaSocket.answer(this.options.device, await this.server.next(options), this.options);
  }

  /** Streams as they come, until the server is closed. Peers that vanish while they connect, or speak no rsocket, are passed over. */
  async *[Symbol.asyncIterator](): AsyncGenerator<RdmaSocket, void, void> {
    for await (const request of this.server) {
      try {
        yield await RdmaSocket.answer(this.options.device, request, this.options);
      } catch (error) {
        if (!(error instanceof ConnectError) && !(error instanceof VerbsError)) throw error;
      }
    }
  }

  close(): void {
    this.server.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Connects a stream to a listener: a {@link SocketServer}, or a program of rsocket(7).
 *
 * @example
 * await using device = await openDevice({ address: '127.0.0.1' });
 * const socket = await connectSocket('127.0.0.2', { device, port: 7471 });
 * socket.end('hello');
 * for await (const chunk of socket) console.log(String(chunk));
 */
export function connectSocket(address: string, options: ConnectSocketOptions): Promise<RdmaSocket> {
  return RdmaSocket.dial(address, options);
}

/**
 * Listens for streams.
 *
 * @example
 * await using device = await openDevice({ address: '127.0.0.2' });
 * using server = listenSocket({ device, port: 7471 });
 * for await (const socket of server) socket.pipe(socket);
 */
export function listenSocket(options: ListenSocketOptions): SocketServer {
  return new SocketServer(options);
}
