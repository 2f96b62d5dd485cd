// Values of options, as commander's parsers: what they return is the option's value, what they throw is shown to the user.
import { isIP } from 'node:net';
import { InvalidArgumentError } from 'commander';

const SUFFIX: Record<string, number> = { '': 1, k: 1 << 10, m: 1 << 20, g: 1 << 30 };

/** `64`, `64k`, `1M`: bytes. */
export function parseSize(text: string): number {
  const match = /^(\d+)([kmg]?)$/i.exec(text);
  const size = match === null ? Number.NaN : Number(match[1]) * SUFFIX[match[2].toLowerCase()];
  if (!(size >= 1 && size <= 2 ** 30)) {
    throw new InvalidArgumentError('Bytes from 1 to 1g, with k, m or g for KiB, MiB or GiB.');
  }
  return size;
}

export function parseInteger(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`An integer from ${min} to ${max} is needed.`);
    return value;
  };
}

export function parseNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`A number from ${min} to ${max} is needed.`);
    return value;
  };
}

/** A probability: `0.01` or `1%`. */
export function parseProbability(text: string): number {
  const value = text.endsWith('%') ? Number(text.slice(0, -1) || Number.NaN) / 100 : Number(text || Number.NaN);
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError('A probability is needed: 0.01 or 1%.');
  return value;
}

export const parsePort: (text: string) => number = parseInteger(0, 65535);

/** An address of this host, perhaps with a zone: `192.0.2.1`, `fe80::1%eth0`. */
export function parseAddress(text: string): string {
  if (isIP(text) === 0)
    throw new InvalidArgumentError('An IPv4 or IPv6 address is needed, as 192.0.2.1 or fe80::1%eth0.');
  return text;
}
