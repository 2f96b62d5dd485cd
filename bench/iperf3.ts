// iperf3: one TCP stream over loopback.
import { type Contender, perRound } from './measure.ts';
import { freePort, Running } from './running.ts';

/** `size`: of the writes; default: iperf3's own, 128 KiB. */
export function iperf3(name: string, size?: number): Contender {
  return {
    name,
    needs: { command: 'iperf3', pkg: 'iperf3' },
    run: perRound(async ({ signal }) => {
      const port = await freePort();
      await using server = new Running('iperf3', ['-s', '-1', '-B', '127.0.0.1', '-p', String(port)], { signal });
      await server.listensOn(port);
      const args = [
        '-c',
        '127.0.0.1',
        '-p',
        String(port),
        '-t',
        '1',
        '-J',
        ...(size === undefined ? [] : ['-l', String(size)]),
      ];
      await using client = new Running('iperf3', args, { signal });
      return parseIperf3(await client.output());
    }),
  };
}

/** Reads what `iperf3 -J` prints; GB/s as received. */
export function parseIperf3(text: string): number {
  const result = JSON.parse(text) as {
    error?: string;
    end?: { sum_received?: { bits_per_second?: number } };
  };
  const bits = result.end?.sum_received?.bits_per_second;
  if (result.error !== undefined) throw new Error(`iperf3: ${result.error}`);
  if (!(typeof bits === 'number' && bits > 0)) throw new Error('iperf3: no figures in its output');
  return bits / 8e9;
}
