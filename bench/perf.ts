// Ours: `infinitive perf`, server and client as two processes with a device each.
import { join } from 'node:path';
import type { PerfResult } from '../src/cli/perf/result.ts';
import type { LinkKind } from '../src/link/kind.ts';
import { lidAddresses } from '../test/helpers/address.ts';
import { type Ours, perRound, type Settings } from './measure.ts';
import { Running } from './running.ts';

export const MAIN = join(import.meta.dirname, '../src/cli/main.ts');

let addresses: string[] | null = null;

/** Two addresses of this host; whoever is measured has them for that time. */
export function twoAddresses(): string[] {
  addresses ??= lidAddresses(2);
  return addresses;
}

/** The figure of a row: its median latency, its bandwidth, or its messages per second. */
export type Figure = 'usual' | 'rate';

export interface PerfOptions {
  readonly figure?: Figure;
  /** What both ends' packets go through. Default: `auto`, which is memory, as they are on one host. */
  readonly link?: LinkKind;
  /** Of which driver the devices are. Default: rxe. */
  readonly driver?: string;
}

/** `args` of the client say what is measured. */
export function perf(name: string, args: readonly string[], options: PerfOptions = {}): Ours {
  return {
    name: 'infinitive',
    run: perRound((settings) => measure(args, options, settings, () => [])),
    async profile(settings, dir) {
      const profiles = ['client', 'server'].map((side) => ({ side, file: join(dir, `${name}-${side}.cpuprofile`) }));
      const flags = (side: string): string[] => [
        '--cpu-prof',
        `--cpu-prof-dir=${dir}`,
        `--cpu-prof-name=${name}-${side}.cpuprofile`,
      ];
      return { figure: await measure(args, options, settings, flags), profiles };
    },
  };
}

async function measure(
  args: readonly string[],
  { figure = 'usual', link = 'auto', driver = 'rxe' }: PerfOptions,
  { quick, signal }: Settings,
  nodeFlags: (side: string) => string[],
): Promise<number> {
  const [serverIp, clientIp] = twoAddresses();
  const node = process.execPath;
  const command = (side: string, ip: string): string[] => [
    ...nodeFlags(side),
    MAIN,
    ...['perf', '--json', '--ip', ip, '--link', link, '--device', driver],
  ];
  await using server = new Running(node, [...command('server', serverIp), '--port', '0'], { signal });
  const { listening } = JSON.parse(await server.firstLine()) as { listening: number };
  const duration = ['--warm-up', quick ? '0.3' : '0.5', '--duration', quick ? '0.6' : '1.5'];
  await using client = new Running(
    node,
    [...command('client', clientIp), serverIp, '--port', String(listening), ...args, ...duration],
    { signal },
  );
  const result = parsePerf(await client.output(), figure);
  // It ends by itself after one client, and writes its profile then.
  await server.output();
  return result;
}

/** Reads what `infinitive perf --json` prints: the median in µs, the bandwidth in GB/s, or millions of messages a second. */
export function parsePerf(text: string, wanted: Figure = 'usual'): number {
  const { rows } = JSON.parse(text) as Partial<PerfResult>;
  const row = rows?.[0];
  let figure = Number.NaN;
  if (row?.kind === 'lat') figure = row.typical;
  else if (row?.kind === 'bw') figure = wanted === 'rate' ? row.messagesPerSecond / 1e6 : row.bytesPerSecond / 1e9;
  if (!(figure > 0)) throw new Error('infinitive perf: nothing was measured');
  return figure;
}
