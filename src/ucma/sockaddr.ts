// Socket addresses of programs. sockaddr_ib is known only as far as librdmacm needs it: to see that it is.
import type { SockAddr } from '../cm/rdma/sockaddr.ts';
import { AF_INET, AF_INET6 } from '../os/constants.ts';
import { readSockaddr, writeSockaddr } from '../os/sockaddr.ts';
import { refuse } from '../uverbs/errno.ts';
import { SockaddrIb } from './layout.ts';

export const AF_IB = 27;

/** `rdma_addr_size`: 0 for families that are unknown here. */
export function sizeOfFamily(family: number): number {
  if (family === AF_INET) return 16;
  if (family === AF_INET6) return 28;
  return family === AF_IB ? SockaddrIb.size : 0;
}

export const familyAt = (buf: Buffer, at: number): number => buf.readUInt16LE(at);

/** An IP address; EAFNOSUPPORT for another. */
export function addressAt(buf: Buffer, at: number): SockAddr {
  const family = familyAt(buf, at);
  if (family !== AF_INET && family !== AF_INET6) refuse('EAFNOSUPPORT', `address family ${family}`);
  const { bytes, port } = readSockaddr(buf, at);
  return { address: bytes, port };
}

/** Writes an address, or leaves zeros where there is none; returns its length. */
export function putAddress(into: Buffer, at: number, addr: SockAddr | null): number {
  return addr === null ? 0 : writeSockaddr(into, at, addr.address, addr.port, 0);
}
