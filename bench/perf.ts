// Ours: `infinitive perf`, server and client as two processes with a device each.
import { join } from 'node:path';
import type { PerfResult } from '../src/cli/perf/result.ts';
import { uniqueAddresses } from '../test/helpers/address.ts';
import type { Ours, Settings } from './measure.ts';
import { Running } from './running.ts';

const MAIN = join(import.meta.dirname, '../src/cli/main.ts');

let addresses: string[] | null = null;

/** `args` of the client say what is measured. */
export function perf(name: string, args: readonly string[]): Ours {
  return {
    name: 'infinitive',
    run: (settings) => measure(args, settings, () => []),
    async profile(settings, dir) {
      const profiles = ['client', 'server'].map((side) => ({ side, file: join(dir, `${name}-${side}.cpuprofile`) }));
      const flags = (side: string): string[] => [
        '--cpu-prof',
        `--cpu-prof-dir=${dir}`,
        `--cpu-prof-name=${name}-${side}.cpuprofile`,
      ];
      return { figure: await measure(args, settings, flags), profiles };
    },
  };
}

async function measure(
  args: readonly string[],
  { quick, signal }: Settings,
  nodeFlags: (side: string) => string[],
): Promise<number> {
  addresses ??= uniqueAddresses(2);
  const [serverIp, clientIp] = addresses;
  const node = process.execPath;
  const command = (side: string, ip: string): string[] => [...nodeFlags(side), MAIN, 'perf', '--json', '--ip', ip];
  await using server = new Running(node, [...command('server', serverIp), '--port', '0'], { signal });
  const { listening } = JSON.parse(await server.firstLine()) as { listening: number };
  const duration = ['--warm-up', quick ? '0.3' : '0.5', '--duration', quick ? '0.7' : '2'];
  await using client = new Running(
    node,
    [...command('client', clientIp), serverIp, '--port', String(listening), ...args, ...duration],
    { signal },
  );
  const figure = parsePerf(await client.output());
  // It ends by itself after one client, and writes its profile then.
  await server.output();
  return figure;
}

/** Reads what `infinitive perf --json` prints: the median in µs, or the bandwidth in GB/s. */
export function parsePerf(text: string): number {
  const { rows } = JSON.parse(text) as Partial<PerfResult>;
  const row = rows?.[0];
  const figure = row?.kind === 'lat' ? row.typical : row?.kind === 'bw' ? row.bytesPerSecond / 1e9 : Number.NaN;
  if (!(figure > 0)) throw new Error('infinitive perf: nothing was measured');
  return figure;
}
