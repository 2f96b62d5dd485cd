// ucx_perftest: UCX, what MPI and others use, over TCP on the loopback interface or through shared memory.
import type { Contender } from './measure.ts';
import { freePort, Running } from './running.ts';

export interface UcxTest {
  readonly test: 'tag_lat' | 'tag_bw';
  readonly size: number;
  /** It counts; it knows no duration. */
  readonly iters: number;
  /** Figure of tag_bw: GB/s, or millions of messages a second. Default: GB/s. */
  readonly rate?: boolean;
  /** UCX_TLS. Default: TCP. */
  readonly transports?: string;
}

export function ucx(name: string, { test, size, iters, rate = false, transports = 'tcp,self' }: UcxTest): Contender {
  return {
    name,
    needs: { command: 'ucx_perftest', pkg: 'ucx-utils' },
    async run({ quick, signal }) {
      const env = { UCX_TLS: transports, UCX_NET_DEVICES: 'lo' };
      const port = await freePort();
      const n = Math.ceil(quick ? iters / 3 : iters);
      const args = ['-t', test, '-s', String(size), '-n', String(n), '-w', String(Math.ceil(n / 10)), '-f', '-v'];
      await using server = new Running('ucx_perftest', ['-p', String(port)], { signal, env });
      await server.listensOn(port);
      await using client = new Running('ucx_perftest', ['127.0.0.1', '-p', String(port), ...args], { signal, env });
      const figures = parseUcx(await client.output());
      if (test === 'tag_lat') return figures.latency;
      return rate ? figures.messages / 1e6 : (figures.messages * size) / 1e9;
    },
  };
}

export interface UcxFigures {
  /** Median of the half round trip in µs. */
  readonly latency: number;
  /** Per second, over the whole run. */
  readonly messages: number;
}

/** Reads what `ucx_perftest -f -v` prints: a line of column names, and one of figures (of several, the last is the whole run). */
export function parseUcx(text: string): UcxFigures {
  const lines = text.split('\n').map((line) => line.trim());
  const at = lines.findIndex((line) => line.startsWith('iterations,'));
  const figures = lines.slice(at + 1).filter((line) => /^\d+,/.test(line));
  if (at < 0 || figures.length === 0) throw new Error('ucx_perftest: no figures in its output');
  const names = lines[at].split(',');
  const values = figures.at(-1)!.split(',').map(Number);
  const column = (pattern: RegExp): number => values[names.findIndex((name) => pattern.test(name))];
  // UCX 1.10 and older call the median "typical".
  const latency = column(/^(50\.0_percentile|typical)_lat$/);
  // Not the bandwidth: its MB are MiB, rounded.
  const messages = column(/^overall_mr$/);
  if (!(latency > 0 && messages > 0)) throw new Error(`ucx_perftest: columns are ${lines[at]}`);
  return { latency, messages };
}
