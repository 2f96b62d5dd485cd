// raw-udp.ts as a contender: what the sockets allow when each byte is copied and checksummed once on either side.
import { join } from 'node:path';
import type { Contender } from './measure.ts';
import { Running } from './running.ts';

const SCRIPT = join(import.meta.dirname, 'raw-udp.ts');

export function rawUdp(name: string): Contender {
  return {
    name,
    async run({ quick, signal }) {
      const args = [SCRIPT, '--json', '--seconds', quick ? '0.4' : '1'];
      await using running = new Running(process.execPath, args, { signal });
      return parseRaw(await running.output());
    },
  };
}

/** Reads what `raw-udp.ts --json` prints; GB/s with copy and CRC. */
export function parseRaw(text: string): number {
  const { bandwidth } = JSON.parse(text) as { bandwidth?: { work: string; GBps: number }[] };
  const figure = bandwidth?.find(({ work }) => work === 'copy+crc')?.GBps;
  if (!(typeof figure === 'number' && figure > 0)) throw new Error('raw-udp.ts: no figure for copy+crc');
  return figure;
}
