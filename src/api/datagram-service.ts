// Datagram queue pairs by address and port: who serves a port says which queue pair it is, and with which key (SIDR).
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { EventChannel } from '../cm/rdma/channel.ts';
import type { RdmaCmId } from '../cm/rdma/id.ts';
import { QpType } from '../core/constants.ts';
import { VerbsError } from '../core/errors.ts';
import { createAh } from '../core/verbs-ah.ts';
import { addressBytes } from '../os/addresses.ts';
import { PortSpace } from '../wire/cm-ip.ts';
import { AddressHandle } from './ah.ts';
import { ConnectError } from './cm-errors.ts';
import { cmOf } from './cm-host.ts';
import { CmSession } from './cm-session.ts';
import { CONNECT_DEFAULTS } from './connect.ts';
import type { Device } from './device.ts';
import type { ProtectionDomain } from './pd.ts';
import type { QueuePair } from './qp.ts';

const KEPT = 256;

/** What sending to a datagram service takes: the fields of a SendRequest have the same names. */
export interface DatagramPeer {
  readonly ah: AddressHandle;
  readonly remoteQpn: number;
  readonly remoteQkey: number;
  /** What the service says, filled up with zeros to 136 bytes. */
  readonly privateData: Buffer;
}

export interface ResolveUdOptions {
  readonly device: Device;
  readonly port: number;
  /** Of the queue pair that will send. */
  readonly pd: ProtectionDomain;
  /** For the service; at most 180 bytes. */
  readonly privateData?: Uint8Array;
  /** As of {@link connect}. */
  readonly responseTimeout?: number;
  readonly maxCmRetries?: number;
  readonly signal?: AbortSignal;
}

/**
 * Asks who serves a port: {@link announceUd} here, or any program of rdma_cm's UDP port space.
 *
 * @throws {ConnectError} ECONNREFUSED when nobody does, ETIMEDOUT.
 */
export async function resolveUd(address: string, options: ResolveUdOptions): Promise<DatagramPeer> {
  const { device, port, pd, signal, privateData } = options;
  signal?.throwIfAborted();
  const target = isIP(address) ? address : (await lookup(address)).address;
  const host = cmOf(device);
  const channel = new EventChannel();
  const id = host.rdma.createId({ channel, portSpace: PortSpace.UDP, rights: host.rights });
  const session = new CmSession(host, id, channel);
  const where = `${target} port ${port}`;
  const forget = host.onClose(() => session.abort(new ConnectError('ECONNABORTED', 'the device was closed')));
  try {
    id.resolveAddr(null, { address: addressBytes(target), port });
    await session.expect('ADDR_RESOLVED', where, signal);
    id.resolveRoute();
    await session.expect('ROUTE_RESOLVED', where, signal);
    const { responseTimeout, maxCmRetries } = CONNECT_DEFAULTS;
    id.connect({
      privateData,
      responseTimeout: options.responseTimeout ?? responseTimeout,
      maxCmRetries: options.maxCmRetries ?? maxCmRetries,
    });
    const { ud } = await session.expect('ESTABLISHED', where, signal);
    const { ahAttr, qpNum, qkey } = ud!;
    const ah = new AddressHandle(createAh(pd.core, ahAttr));
    return { ah, remoteQpn: qpNum, remoteQkey: qkey, privateData: Buffer.from(ud!.privateData) };
  } finally {
    forget();
    id.destroy();
  }
}

export interface AnnounceUdOptions {
  readonly device: Device;
  /** Default: a free one. */
  readonly port?: number;
  /** Default: all addresses of the device. */
  readonly address?: string;
  /** What those who ask are told; at most 136 bytes. */
  readonly privateData?: Uint8Array;
  readonly backlog?: number;
}

/** A port that is served by a datagram queue pair: made by {@link announceUd}. */
export interface DatagramService extends Disposable {
  readonly port: number;
  close(): void;
}

/** Tells whoever asks for the port that `qp` serves it, and its Q_Key. The queue pair must be active. */
export function announceUd(qp: QueuePair, options: AnnounceUdOptions): DatagramService {
  const { device, port = 0, address, privateData, backlog = 128 } = options;
  if (qp.core.type !== QpType.UD || qp.state !== 'RTS') {
    throw new VerbsError('announceUd', 'EINVAL', `a ${qp.type} QP in ${qp.state}; an active UD QP can serve a port`);
  }
  const host = cmOf(device);
  const channel = new EventChannel();
  const id = host.rdma.createId({ channel, portSpace: PortSpace.UDP, rights: host.rights });
  try {
    id.bind(address === undefined ? new Uint8Array(16) : addressBytes(address), port);
    id.listen(backlog);
  } catch (error) {
    id.destroy();
    throw error;
  }
  const answered: RdmaCmId[] = [];
  channel.onEvent = () => {
    for (let event = channel.get(); event !== null; event = channel.get()) {
      if (event.type !== 'CONNECT_REQUEST') continue;
      const asked = event.id;
      asked.accept({ qpn: qp.qpn, qkey: qp.core.attr.qkey, privateData });
      // The last ones are kept: a request that is repeated because its answer was lost finds it.
      answered.push(asked);
      if (answered.length > KEPT) answered.shift()!.destroy();
    }
  };
  const close = (): void => {
    id.destroy();
    for (const asked of answered.splice(0)) asked.destroy();
  };
  return { port: id.src!.port, close, [Symbol.dispose]: close };
}
