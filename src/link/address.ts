// IP addresses as a link needs them: bytes to compare and to write, text to show and to give to sockets.
import { networkInterfaces } from 'node:os';
import { addressBytes, addressText } from '../os/addresses.ts';
import type { LinkAddress } from './link.ts';

/** Reads `10.0.0.1`, `::1`, `fe80::1%2` or `fe80::1%eth0`; throws for anything else. */
export function parseAddress(text: string): LinkAddress {
  const bytes = addressBytes(text);
  const zone = text.split('%')[1] ?? '';
  return {
    family: bytes.length === 4 ? 4 : 6,
    bytes,
    text: addressText(bytes),
    scope: zone === '' ? 0 : scopeOf(zone),
  };
}

function scopeOf(zone: string): number {
  if (/^\d+$/.test(zone)) return Number(zone);
  const found = networkInterfaces()[zone]?.find((a) => a.family === 'IPv6' && a.scopeid !== 0);
  if (found?.family !== 'IPv6') throw new TypeError(`no network interface ${zone} with a link-local IPv6 address`);
  return found.scopeid;
}

/** True for 127.0.0.0/8 and ::1. */
export function isLoopback(bytes: Uint8Array): boolean {
  return bytes.length === 4 ? bytes[0] === 127 : addressText(bytes) === '::1';
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
