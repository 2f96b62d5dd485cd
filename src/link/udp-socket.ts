// Opens and configures the sockets of a UdpLink.
import type { LocalAddress } from '../os/addresses.ts';
import * as C from '../os/constants.ts';
import { SysError } from '../os/errors.ts';
import { check, errno, libc } from '../os/libc.ts';
import { addressOf, allocate } from '../os/memory.ts';
import { readSockaddr, SOCKADDR_BYTES, writeSockaddr } from '../os/sockaddr.ts';
import { getOption, setOption, setOptionBytes, trySetOption } from '../os/sockopt.ts';

/** TTL and hop limit of packets whose flow does not ask for another: what Linux itself uses. */
export const DEFAULT_TTL = 64;

/** TOS and traffic class likewise: ECN-capable, ECT(0) of RFC 3168, as connected queue pairs send. */
export const DEFAULT_TOS = 2;

/** What a socket is asked to have; the kernel may allow less. */
export interface SocketOptions {
  readonly rcvbuf: number;
  readonly sndbuf: number;
  readonly gro: boolean;
}

/** One open socket. */
export interface UdpSocket {
  readonly fd: number;
  readonly family: 4 | 6;
  /** Index of the link's own address. */
  readonly local: number;
  /** The multicast group this socket was opened for, else null. */
  readonly group: Uint8Array | null;
}

/** A socket bound to one own address, for sending and for unicast arrivals. */
export function openUnicast(own: LocalAddress, local: number, port: number, options: SocketOptions): UdpSocket {
  const fd = create(own.family, options);
  try {
    configureSending(fd, own);
    bind(fd, own.bytes, port, own.scope, own.text);
  } catch (error) {
    libc().close(fd);
    throw error;
  }
  return { fd, family: own.family, local, group: null };
}

/**
 * A socket bound to a multicast group and joined to it on the interface of `own`: one bound to a unicast address gets no
 * multicast on Linux. SO_REUSEADDR, because every link of this host that joins the group binds the same address and each
 * gets its copy; IP_MULTICAST_ALL off, because otherwise a socket also gets what others joined on other interfaces.
 */
export function openMulticast(
  own: LocalAddress,
  local: number,
  group: Uint8Array,
  port: number,
  options: SocketOptions,
): UdpSocket {
  const fd = create(own.family, options);
  try {
    setOption(fd, C.SOL_SOCKET, C.SO_REUSEADDR, 1);
    bind(fd, group, port, own.ifindex, group.join());
    if (own.family === 4) {
      setOption(fd, C.SOL_IP, C.IP_MULTICAST_ALL, 0);
      setOptionBytes(fd, C.SOL_IP, C.IP_ADD_MEMBERSHIP, mreqn(group, own));
    } else {
      trySetOption(fd, C.SOL_IPV6, C.IPV6_MULTICAST_ALL, 0);
      const mreq = allocate(20);
      mreq.set(group, 0);
      mreq.writeInt32LE(own.ifindex, 16);
      setOptionBytes(fd, C.SOL_IPV6, C.IPV6_ADD_MEMBERSHIP, mreq);
    }
  } catch (error) {
    libc().close(fd);
    throw error;
  }
  return { fd, family: own.family, local, group };
}

/** The kernel's limit on what waits in the socket to be received, in bytes of its own accounting (see udp-window.ts). */
export function receiveBuffer(socket: UdpSocket): number {
  return getOption(socket.fd, C.SOL_SOCKET, C.SO_RCVBUF);
}

/** The port that the system chose. */
export function boundPort(socket: UdpSocket): number {
  const buf = allocate(SOCKADDR_BYTES + 4);
  buf.writeUInt32LE(SOCKADDR_BYTES, SOCKADDR_BYTES);
  const at = addressOf(buf);
  check(libc().getsockname(socket.fd, at, at + SOCKADDR_BYTES), 'getsockname');
  return readSockaddr(buf, 0).port;
}

function create(family: 4 | 6, options: SocketOptions): number {
  const domain = family === 4 ? C.AF_INET : C.AF_INET6;
  const fd = check(libc().socket(domain, C.SOCK_DGRAM | C.SOCK_NONBLOCK | C.SOCK_CLOEXEC, 0), 'socket');
  try {
    // FORCE goes beyond net.core.[rw]mem_max where the process may (CAP_NET_ADMIN).
    if (!trySetOption(fd, C.SOL_SOCKET, C.SO_RCVBUFFORCE, options.rcvbuf)) {
      setOption(fd, C.SOL_SOCKET, C.SO_RCVBUF, options.rcvbuf);
    }
    if (!trySetOption(fd, C.SOL_SOCKET, C.SO_SNDBUFFORCE, options.sndbuf)) {
      setOption(fd, C.SOL_SOCKET, C.SO_SNDBUF, options.sndbuf);
    }
    if (options.gro) trySetOption(fd, C.SOL_UDP, C.UDP_GRO, 1);
    if (family === 4) {
      setOption(fd, C.SOL_IP, C.IP_RECVTOS, 1);
    } else {
      setOption(fd, C.SOL_IPV6, C.IPV6_V6ONLY, 1);
      setOption(fd, C.SOL_IPV6, C.IPV6_RECVTCLASS, 1);
      // rxe sends UDP checksum 0, which IPv6 refuses unless told otherwise (RFC 6935).
      setOption(fd, C.SOL_UDP, C.UDP_NO_CHECK6_RX, 1);
    }
    return fd;
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

// PMTUDISC_DO: DF is set, and with it on an unconnected socket the IPv4 identification is 0, which a sender must know to
// sign the packet (the ICRC covers it).
function configureSending(fd: number, own: LocalAddress): void {
  if (own.family === 4) {
    setOption(fd, C.SOL_IP, C.IP_MTU_DISCOVER, C.IP_PMTUDISC_DO);
    setOption(fd, C.SOL_IP, C.IP_TOS, DEFAULT_TOS);
    setOption(fd, C.SOL_IP, C.IP_TTL, DEFAULT_TTL);
    setOption(fd, C.SOL_IP, C.IP_MULTICAST_TTL, DEFAULT_TTL);
    setOption(fd, C.SOL_IP, C.IP_MULTICAST_LOOP, 1);
    setOptionBytes(fd, C.SOL_IP, C.IP_MULTICAST_IF, mreqn(new Uint8Array(4), own));
  } else {
    setOption(fd, C.SOL_IPV6, C.IPV6_MTU_DISCOVER, C.IP_PMTUDISC_DO);
    setOption(fd, C.SOL_IPV6, C.IPV6_TCLASS, DEFAULT_TOS);
    setOption(fd, C.SOL_IPV6, C.IPV6_UNICAST_HOPS, DEFAULT_TTL);
    setOption(fd, C.SOL_IPV6, C.IPV6_MULTICAST_HOPS, DEFAULT_TTL);
    setOption(fd, C.SOL_IPV6, C.IPV6_MULTICAST_LOOP, 1);
    setOption(fd, C.SOL_IPV6, C.IPV6_MULTICAST_IF, own.ifindex);
  }
}

// struct ip_mreqn
function mreqn(group: Uint8Array, own: LocalAddress): Buffer {
  const buf = allocate(12);
  buf.set(group, 0);
  buf.set(own.bytes, 4);
  buf.writeInt32LE(own.ifindex, 8);
  return buf;
}

function bind(fd: number, bytes: Uint8Array, port: number, scope: number, text: string): void {
  const sockaddr = allocate(SOCKADDR_BYTES);
  const length = writeSockaddr(sockaddr, 0, bytes, port, scope);
  if (libc().bind(fd, addressOf(sockaddr), length) === 0) return;
  const code = errno();
  if (code !== C.EADDRINUSE) throw new SysError(code, 'bind');
  const other = text === '127.0.0.2' ? '127.0.0.3' : '127.0.0.2';
  throw new SysError(
    code,
    'bind',
    `UDP port ${port} on ${text} is already in use, perhaps by another RDMA device of this host: ` +
      `an address and port can be had once. Use another address, such as ${other}`,
  );
}
