// Errors as two Linux peers have them between themselves: measured once, kept as data, and compared with.
import { readFileSync, writeFileSync } from 'node:fs';
import { AETH_ACK, AETH_NAK, AETH_RNR_NAK, AETH_TYPE_MASK, AETH_VALUE_MASK, NAK_PSN_SEQ } from '../src/wire/aeth.ts';
import { formatIp } from '../src/wire/ip.ts';
import { frames } from './cable.ts';
import type { Lab, Setting } from './lab.ts';
import { ERRORS, type Observation } from './scenarios/errors.ts';

/** An observation, and what b told a on the wire: `NAK 2`, `RNR NAK 5`, each once, in order. */
export type Measured = Observation & { readonly naks: readonly string[] };

interface Data {
  readonly kernel: string;
  readonly errors: Readonly<Record<string, Measured>>;
}

const FILE = new URL('data/linux-errors.json', import.meta.url);
export const SETTING: Setting = { family: 4, mtu: 1024, offload: true };

export const linuxErrors = (): Data => JSON.parse(readFileSync(FILE, 'utf8')) as Data;

/**
 * PSN sequence errors are left out: rxe also sends them for what follows a packet that it answered with RNR NAK, and whether
 * anything does is chance.
 */
function nakName(syndrome: number): string | null {
  const value = syndrome & AETH_VALUE_MASK;
  const type = syndrome & AETH_TYPE_MASK;
  if (type === AETH_ACK || syndrome === NAK_PSN_SEQ) return null;
  return type === AETH_RNR_NAK ? `RNR NAK ${value}` : type === AETH_NAK ? `NAK ${value}` : `syndrome ${syndrome}`;
}

export async function measure(lab: Lab, name: string, ends: Parameters<(typeof ERRORS)[string]>): Promise<Measured> {
  const [, b] = ends;
  const seen = await ERRORS[name](...ends);
  const naks = frames(await lab.cable.pcap())
    .filter(({ ip, packet }) => packet.aeth !== undefined && b.gid.endsWith(formatIp(ip.src)))
    .map(({ packet }) => nakName(packet.aeth!.syndrome))
    .filter((nak) => nak !== null);
  return { ...seen, naks: [...new Set(naks)] };
}

/** Lets two guests have every error, and writes down what they see. */
export async function measureLinux(lab: Lab, kernel: string, say: (text: string) => void): Promise<void> {
  const errors: Record<string, Measured> = {};
  for (const name of Object.keys(ERRORS)) {
    await lab.cable.clear();
    errors[name] = await measure(lab, name, [await lab.linux(SETTING, 1), await lab.linux(SETTING, 2), SETTING]);
    say(`${name}: ${JSON.stringify(errors[name])}`);
    lab.finish();
  }
  writeFileSync(FILE, `${JSON.stringify({ kernel, errors } satisfies Data, null, 2)}\n`);
}
