// The host's addresses, and addresses as text and bytes.
import { isIPv4, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { AF_INET, SIOCGIFINDEX, SIOCGIFMTU, SOCK_CLOEXEC, SOCK_DGRAM } from './constants.ts';
import { isLinux } from './ffi.ts';
import { check, libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';
import { readSockaddr, SOCKADDR_BYTES, writeSockaddr } from './sockaddr.ts';

/** An address of this host and the interface that has it. */
export interface LocalAddress {
  readonly family: 4 | 6;
  /** 4 or 16 bytes, network order. */
  readonly bytes: Uint8Array;
  /** As text, without a scope: `fe80::1`. */
  readonly text: string;
  /** IPv6 scope (interface index) of a link-local address, else 0. */
  readonly scope: number;
  /** Interface name: `lo`, `eth0`. */
  readonly netdev: string;
  readonly ifindex: number;
  /** Bytes of the largest IP packet the interface takes. */
  readonly mtu: number;
  /** Loopback interface. */
  readonly internal: boolean;
}

/** The 4 or 16 bytes of an address given as text (RFC 4291 section 2.2; a scope after `%` is ignored). */
export function addressBytes(text: string): Uint8Array {
  if (isIPv4(text)) return bytes4(text);
  if (!isIPv6(text)) throw new Error(`not an IP address: ${JSON.stringify(text)}`);
  return bytes16(text);
}

const bytes4 = (text: string): Uint8Array => Uint8Array.from(text.split('.'), Number);

function bytes16(text: string): Uint8Array {
  const [head, tail] = text.split('%')[0].split('::');
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const bytes = new Uint8Array(16);
  bytes.set(left, 0);
  bytes.set(right, 16 - right.length);
  return bytes;
}

function groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 255];
  });
}

/** An address of 4 or 16 bytes as text, IPv6 in the form of RFC 5952. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new Error(`an address has 4 or 16 bytes, not ${bytes.length}`);
  const words = Array.from({ length: 8 }, (_, i) => (bytes[2 * i] << 8) | bytes[2 * i + 1]);
  // RFC 5952 section 5: IPv4-mapped addresses in mixed notation.
  if (words.slice(0, 5).every((w) => w === 0) && words[5] === 0xffff) return `::ffff:${bytes.slice(12).join('.')}`;
  const [start, length] = longestZeroRun(words);
  const hex = (part: number[]): string => part.map((w) => w.toString(16)).join(':');
  return length < 2 ? hex(words) : `${hex(words.slice(0, start))}::${hex(words.slice(start + length))}`;
}

// RFC 5952 section 4.2: the longest run of zeros is shortened, the first of equals, never a single one.
function longestZeroRun(words: number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0];
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && words[i + n] === 0) n++;
    if (n > best[1]) best = [i, n];
  }
  return best;
}

/** fe80::/10, where an address means something on one interface only. */
export function isLinkLocal(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes[0] === 0xfe && (bytes[1] & 0xc0) === 0x80;
}

/** 224.0.0.0/4 or ff00::/8. */
export function isMulticast(bytes: Uint8Array): boolean {
  return bytes.length === 4 ? bytes[0] >> 4 === 14 : bytes[0] === 0xff;
}

/** All addresses of this host's running interfaces. */
export function localAddresses(): LocalAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([netdev, list]) => {
    const ifindex = interfaceNumber(netdev, SIOCGIFINDEX, 0);
    const mtu = interfaceNumber(netdev, SIOCGIFMTU, 1500);
    return (list ?? []).map((a): LocalAddress => {
      const family = a.family === 'IPv4' ? 4 : 6;
      // Not asked whether it is an address: the first such question costs 5 ms.
      const bytes = family === 4 ? bytes4(a.address) : bytes16(a.address);
      const scope = a.family === 'IPv6' ? a.scopeid : 0;
      return { family, bytes, text: addressText(bytes), scope, netdev, ifindex, mtu, internal: a.internal };
    });
  });
}

/**
 * The address of this host that `text` names: `192.0.2.7`, `fe80::1%eth0`, or any address of 127.0.0.0/8, all of which
 * Linux answers to though only 127.0.0.1 is listed.
 */
export function localAddress(text: string): LocalAddress {
  const [, zone] = text.split('%');
  const bytes = addressBytes(text);
  const plain = addressText(bytes);
  const all = localAddresses();
  const found = all.find(
    (a) => a.text === plain && (zone === undefined || a.netdev === zone || String(a.ifindex) === zone),
  );
  if (found) return found;
  const lo = all.find((a) => a.internal && a.family === 4);
  if (lo && bytes.length === 4 && bytes[0] === 127) return { ...lo, bytes, text: plain };
  const known = all.map((a) => (a.scope ? `${a.text}%${a.netdev}` : a.text)).join(', ');
  throw new Error(`${text} is not an address of this host, which has ${known}`);
}

/** The IPv4 address that the default route sends from, else 127.0.0.1. */
export function defaultAddress(): string {
  if (!isLinux()) return '127.0.0.1';
  const c = libc();
  const fd = check(c.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket');
  try {
    const buf = allocate(SOCKADDR_BYTES + 4);
    const at = addressOf(buf);
    // Connecting a UDP socket only looks up the route. 192.0.2.0/24 is for documentation (RFC 5737).
    const length = writeSockaddr(buf, 0, addressBytes('192.0.2.1'), 9, 0);
    if (c.connect(fd, at, length) === -1) return '127.0.0.1';
    buf.writeUInt32LE(SOCKADDR_BYTES, SOCKADDR_BYTES);
    check(c.getsockname(fd, at, at + SOCKADDR_BYTES), 'getsockname');
    return addressText(readSockaddr(buf, 0).bytes);
  } finally {
    c.close(fd);
  }
}

// ioctl rather than /sys/class/net: sysfs shows the network namespace it was mounted in, not the one we are in.
function interfaceNumber(netdev: string, request: number, otherwise: number): number {
  if (!isLinux()) return otherwise;
  const c = libc();
  const fd = check(c.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket');
  try {
    const ifreq = allocate(40);
    ifreq.write(netdev, 0, 15, 'latin1');
    return c.ioctl(fd, request, addressOf(ifreq)) === -1 ? otherwise : ifreq.readInt32LE(16);
  } finally {
    c.close(fd);
  }
}
