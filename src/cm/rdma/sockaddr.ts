// Addresses with ports, as sockets have them.
import { addressText } from '../../os/addresses.ts';

export interface SockAddr {
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly port: number;
}

export const isAny = (address: Uint8Array): boolean => address.every((b) => b === 0);

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

export function sockAddrText({ address, port }: SockAddr): string {
  const text = addressText(address);
  return address.length === 4 ? `${text}:${port}` : `[${text}]:${port}`;
}
