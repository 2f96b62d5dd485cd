// IP addresses as a link needs them: bytes to compare and to write, text to show and to give to sockets.
import { isIPv4, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { LinkAddress } from './link.ts';

/** Reads `10.0.0.1`, `::1`, `fe80::1%2` or `fe80::1%eth0`; throws a TypeError for anything else. */
export function parseAddress(text: string): LinkAddress {
  if (isIPv4(text)) {
    return { family: 4, bytes: Uint8Array.from(text.split('.'), Number), text, scope: 0 };
  }
  if (!isIPv6(text)) throw new TypeError(`not an IP address: ${JSON.stringify(text)}`);
  const [plain, zone = ''] = text.split('%');
  const bytes = parse6(plain);
  return { family: 6, bytes, text: formatAddress(bytes), scope: zone === '' ? 0 : scopeOf(zone) };
}

function parse6(text: string): Uint8Array {
  const bytes = new Uint8Array(16);
  const gap = text.indexOf('::');
  const head = groups(gap < 0 ? text : text.slice(0, gap));
  const tail = gap < 0 ? [] : groups(text.slice(gap + 2));
  bytes.set(head, 0);
  bytes.set(tail, 16 - tail.length);
  return bytes;
}

function groups(text: string): number[] {
  const bytes: number[] = [];
  for (const group of text.split(':')) {
    if (group === '') continue;
    if (group.includes('.')) bytes.push(...group.split('.').map(Number));
    else bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255);
  }
  return bytes;
}

function scopeOf(zone: string): number {
  if (/^\d+$/.test(zone)) return Number(zone);
  const found = networkInterfaces()[zone]?.find((a) => a.family === 'IPv6' && a.scopeid !== 0);
  if (found?.family !== 'IPv6') throw new TypeError(`no network interface ${zone} with a link-local IPv6 address`);
  return found.scopeid;
}

/** The canonical text (RFC 5952) of 4 or 16 address bytes. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const words: number[] = [];
  for (let i = 0; i < 16; i += 2) words.push((bytes[i] << 8) | bytes[i + 1]);
  // RFC 5952 5: an IPv4-mapped address ends in dotted decimals.
  if (words.slice(0, 5).every((w) => w === 0) && words[5] === 0xffff) return `::ffff:${bytes.slice(12).join('.')}`;
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && words[end] === 0) end++;
    // RFC 5952 4.2: the longest run of at least two zero words is shortened, of equal ones the first.
    if (end - i > length) {
      start = i;
      length = end - i;
    }
  }
  const hex = words.map((w) => w.toString(16));
  if (start < 0) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

/** True for 224.0.0.0/4 and ff00::/8. */
export function isMulticast(bytes: Uint8Array): boolean {
  return bytes.length === 4 ? bytes[0] >> 4 === 14 : bytes[0] === 255;
}

/** True for 127.0.0.0/8 and ::1. */
export function isLoopback(bytes: Uint8Array): boolean {
  return bytes.length === 4 ? bytes[0] === 127 : formatAddress(bytes) === '::1';
}

export function sameAddress(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The index of the address among a link's own, or -1. */
export function indexOfAddress(addresses: readonly LinkAddress[], bytes: Uint8Array): number {
  return addresses.findIndex((a) => sameAddress(a.bytes, bytes));
}
