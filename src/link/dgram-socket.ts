// Opens and configures the sockets of a DgramLink, and names addresses as Node wants them.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { addressBytes, addressText } from '../os/addresses.ts';
import type { LinkAddress } from './link.ts';

const SOCKET_BUFFER = 4 << 20;

export function newSocket(family: 4 | 6, shared: boolean): Socket {
  return createSocket({
    type: family === 4 ? 'udp4' : 'udp6',
    ipv6Only: family === 6,
    reuseAddr: shared,
    // Names are never looked up; Node would put off even an address to the next tick.
    lookup: (host, _options, done) => done(null, host, family),
  });
}

export async function bindSocket(socket: Socket, host: string, port: number): Promise<void> {
  try {
    // The socket may be bound before the call returns.
    const listening = once(socket, 'listening');
    socket.bind({ address: host, port, exclusive: true });
    await listening;
  } catch (error) {
    throw explain(error as NodeJS.ErrnoException, host, port);
  }
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code !== 'EADDRINUSE') return error;
  const other = host === '127.0.0.2' ? '127.0.0.3' : '127.0.0.2';
  const sentence =
    `UDP port ${port} on ${host} is already in use, perhaps by another RDMA device of this host: ` +
    `an address and port can be had once. Use another address, such as ${other}`;
  return Object.assign(new Error(sentence, { cause: error }), { code: error.code });
}

export function configure(socket: Socket, address: LinkAddress): void {
  for (const set of [
    () => socket.setRecvBufferSize(SOCKET_BUFFER),
    () => socket.setSendBufferSize(SOCKET_BUFFER),
    () => socket.setMulticastInterface(multicastInterface(address)),
    () => socket.setMulticastTTL(64),
  ]) {
    // Each is an improvement that a system may refuse (buffers over a limit, an interface without multicast).
    try {
      set();
    } catch {}
  }
  socket.unref();
}

export function interfaceOf(address: LinkAddress): string {
  for (const [name, list] of Object.entries(networkInterfaces())) {
    if (list?.some((a) => addressText(addressBytes(a.address)) === address.text)) return name;
  }
  return '';
}

/** `%eth0` or, on Windows, `%7`, for the scope of a link-local address. */
export function zone(address: LinkAddress): string {
  if (address.scope === 0) return '';
  if (process.platform === 'win32') return `%${address.scope}`;
  for (const [name, list] of Object.entries(networkInterfaces())) {
    if (list?.some((a) => a.family === 'IPv6' && a.scopeid === address.scope)) return `%${name}`;
  }
  return `%${address.scope}`;
}

export function multicastInterface(address: LinkAddress): string {
  if (address.family === 4) return address.text;
  return `::${zone(address) || `%${interfaceOf(address)}`}`;
}
