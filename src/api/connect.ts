// Connecting to a listener, by IP address and port.
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { EventChannel } from '../cm/rdma/channel.ts';
import { QpState } from '../core/constants.ts';
import { VerbsError } from '../core/errors.ts';
import { addressBytes } from '../os/addresses.ts';
import { PortSpace } from '../wire/cm-ip.ts';
import { ConnectError } from './cm-errors.ts';
import { cmOf } from './cm-host.ts';
import { CmSession } from './cm-session.ts';
import { Connection, type ConnectionQpOptions, prepareQp } from './connection.ts';
import type { Device } from './device.ts';

/** Where to connect to, and how. */
export interface ConnectToOptions extends ConnectionQpOptions {
  readonly device: Device;
  readonly port: number;
  /** Our own address and port. Default: the device's address of the peer's family; a free port. */
  readonly localAddress?: string;
  readonly localPort?: number;
  /** Type of service: DSCP and ECN bits. */
  readonly tos?: number;
  /**
   * How long the peer may take to answer, 4.096 µs · 2^responseTimeout, and how often it is asked again. Default 18 (1 s)
   * and 7; rdma_cm's own are 20 and 15.
   */
  readonly responseTimeout?: number;
  readonly maxCmRetries?: number;
}

/** @internal */
export const CONNECT_DEFAULTS = { ackTimeout: 14, responseTimeout: 18, maxCmRetries: 7, resources: 16 } as const;

/**
 * Connects to a listener, here or in any program that uses rdma_cm: the queue pair is ready to use.
 *
 * @throws {ConnectError} ECONNREFUSED (nobody listens, or the program refuses: see `reason` and `privateData`), ETIMEDOUT,
 * EHOSTUNREACH.
 * @example
 * await using device = await openDevice({ address: '127.0.0.1' });
 * await using connection = await connect('127.0.0.2', { device, port: 7471 });
 * connection.qp.postSend({ opcode: 'SEND', inline: Buffer.from('hello') });
 */
export async function connect(address: string, options: ConnectToOptions): Promise<Connection> {
  const { device, signal } = options;
  signal?.throwIfAborted();
  const target = isIP(address) ? address : (await lookup(address)).address;
  const host = cmOf(device);
  const channel = new EventChannel();
  const id = host.rdma.createId({ channel, portSpace: PortSpace.TCP, rights: host.rights });
  const session = new CmSession(host, id, channel);
  const where = `${target} port ${options.port}`;
  const forget = host.onClose(() => session.abort(new ConnectError('ECONNABORTED', 'the device was closed')));
  let owned: readonly { close(): void }[] = [];
  try {
    if (!(Number.isInteger(options.port) && options.port > 0 && options.port < 65536)) {
      throw new VerbsError('connect', 'EINVAL', `port ${options.port}; 1 to 65535 are allowed`);
    }
    if (options.tos !== undefined) id.setTos(options.tos);
    id.setAckTimeout(options.ackTimeout ?? CONNECT_DEFAULTS.ackTimeout);
    const dst = { address: addressBytes(target), port: options.port };
    if (options.localAddress !== undefined || options.localPort !== undefined) {
      const own =
        options.localAddress === undefined ? new Uint8Array(dst.address.length) : addressBytes(options.localAddress);
      id.bind(own, options.localPort ?? 0);
    }
    id.resolveAddr(null, dst);
    await session.expect('ADDR_RESOLVED', where, signal);
    id.resolveRoute();
    await session.expect('ROUTE_RESOLVED', where, signal);
    const prepared = prepareQp(session, options);
    owned = prepared.owned;
    const { qp, pd, sendCq, recvCq } = prepared;
    const { resources, responseTimeout, maxCmRetries } = CONNECT_DEFAULTS;
    id.connect({
      qpn: qp.qpn,
      privateData: options.privateData,
      responderResources: options.responderResources ?? resources,
      initiatorDepth: options.initiatorDepth ?? resources,
      retryCount: options.retryCnt ?? 7,
      rnrRetryCount: options.rnrRetry ?? 7,
      srq: options.srq !== undefined,
      responseTimeout: options.responseTimeout ?? responseTimeout,
      maxCmRetries: options.maxCmRetries ?? maxCmRetries,
    });
    const { conn } = await session.expect('CONNECT_RESPONSE', where, signal);
    session.walk(qp, QpState.RTR, QpState.RTS);
    id.establish();
    return new Connection({ session, qp, pd, owned, privateData: conn!.privateData }, sendCq, recvCq);
  } catch (error) {
    id.destroy();
    for (const object of owned) object.close();
    throw error;
  } finally {
    forget();
  }
}
