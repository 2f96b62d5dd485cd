// Which address a device gets when the user names none. An address and UDP port 4791 can be had once, so that two processes
// on one host need two addresses; 127.0.0.0/8 has plenty.
import { isIPv6 } from 'node:net';
import { type Device, type OpenOptions, openDevice } from '../api/index.ts';
import { localAddresses } from '../os/addresses.ts';
import { CliError, codeOf } from './errors.ts';

/** Loopback addresses are tried up to this last number. */
const LAST = 254;
const TAKEN = ['EADDRINUSE', 'EADDRNOTAVAIL'];

const loopback = (n: number): string => `127.0.0.${n}`;

/** IPv4 mapped to IPv6 (`::ffff:192.0.2.1`, as sockets and GIDs have it) as plain IPv4; a zone is left out. */
export const plainAddress = (text: string): string => text.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');

export const isLoopback = (address: string): boolean => /^127\.|^::1$/.test(plainAddress(address));

/** Whether packets for `address` stay on this host. */
export function isOnThisHost(address: string): boolean {
  const plain = plainAddress(address);
  return isLoopback(plain) || localAddresses().some((a) => a.text === plain);
}

/** Opens a device on the first of `addresses` that is free. */
export async function openFirstFree(addresses: Iterable<string>, options: OpenOptions): Promise<Device> {
  let failure: unknown = new CliError('there is no address to open a device on');
  for (const address of addresses) {
    try {
      return await openDevice({ ...options, address });
    } catch (error) {
      if (!TAKEN.includes(codeOf(error))) throw error;
      failure = error;
    }
  }
  throw failure;
}

/** Loopback addresses for one more device: 127.0.0.`first` and up; after them the host's others, for systems that have one. */
export function* loopbackAddresses(first: number): Generator<string> {
  for (let n = first; n <= LAST; n++) yield loopback(n);
  for (const a of localAddresses()) if (!a.internal && a.family === 4) yield a.text;
}

/**
 * The server's device: on the address that the client has connected to, because that is where the client can reach it. IPv6
 * has one loopback address only, too few for two devices: a client of this host is served on 127.0.0.0/8 then.
 */
export function openForClient(local: string, remote: string, options: OpenOptions): Promise<Device> {
  const own = plainAddress(local);
  const sameHost = isOnThisHost(remote);
  if (isLoopback(own) || (sameHost && isIPv6(own))) {
    const asked = isIPv6(own) ? [] : [own];
    return openFirstFree([...asked, ...loopbackAddresses(1)], options);
  }
  return openDevice({ ...options, address: local.startsWith('::ffff:') ? own : local });
}

/** The client's device: on the address it has connected from, or when server and client share the host on a free one. */
export function openForServer(local: string, serverGid: string, options: OpenOptions): Promise<Device> {
  const own = plainAddress(local);
  if (isOnThisHost(serverGid)) return openFirstFree(loopbackAddresses(2), options);
  return openDevice({ ...options, address: local.startsWith('::ffff:') ? own : local });
}
