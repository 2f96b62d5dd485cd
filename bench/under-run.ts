// Unmodified programs under `infinitive run`: what perftest and rdma-core measure, and what it costs the others.
import type { LinkKind } from '../src/link/kind.ts';
import { builtMain } from './built.ts';
import type { Contender, Ours, Settings } from './measure.ts';
import { perRound } from './measure.ts';
import { MAIN, twoAddresses } from './perf.ts';
import { freePort, Running } from './running.ts';
import { parseSide, sidePath } from './side.ts';

/** The commands of `infinitive run`, before the program's own. */
const run = (ip: string, main = MAIN, link = 'auto'): string[] => [main, 'run', '--link', link, '--ip', ip, '--'];

interface PerftestOptions {
  /** Server and client each under a run of its own. Default: both under one. */
  readonly runs?: 1 | 2;
  /** What goes from one run to the other goes through sockets. */
  readonly sockets?: boolean;
  readonly quick: readonly string[];
  readonly full: readonly string[];
}

/** A program of perftest with itself. */
export function perftest(program: string, options: PerftestOptions): Ours {
  return {
    name: 'infinitive',
    needs: { command: program, pkg: 'perftest' },
    run: perRound(async (settings) => {
      const port = await freePort();
      const args = ['-F', '-p', String(port), ...(settings.quick ? options.quick : options.full)];
      const text =
        options.runs === 2
          ? await betweenRuns(program, args, port, options.sockets ? 'udp' : 'auto', settings)
          : await withinRun([program, ...args], port, settings);
      return parsePerftest(text);
    }),
  };
}

async function betweenRuns(
  program: string,
  args: string[],
  port: number,
  link: LinkKind,
  { signal }: Settings,
): Promise<string> {
  const [serverIp, clientIp] = twoAddresses();
  const under = (ip: string): string[] => [...run(ip, MAIN, link), program, ...args];
  await using server = new Running(process.execPath, under(serverIp), { signal });
  await server.listensOn(port);
  await using client = new Running(process.execPath, [...under(clientIp), serverIp], { signal });
  const text = await client.output();
  await server.output();
  return text;
}

/** Waits for a listener as `Running.listensOn` does: trying to connect would use the server up. */
const SERVER_AND_CLIENT = `
"$@" >/dev/null 2>&1 &
until grep -qE ":$PORT [0-9A-F]+:0000 0A" /proc/net/tcp /proc/net/tcp6; do sleep 0.02; done
"$@" "$IP" && wait $!`;

async function withinRun(command: string[], port: number, { signal }: Settings): Promise<string> {
  const [ip] = twoAddresses();
  const env = { IP: ip, PORT: port.toString(16).toUpperCase().padStart(4, '0') };
  const args = [...run(ip), 'sh', '-c', SERVER_AND_CLIENT, 'sh', ...command];
  await using both = new Running(process.execPath, args, { signal, env });
  return await both.output();
}

/** Reads the one row that perftest prints: the bandwidth in GB/s, or the median latency in µs. */
export function parsePerftest(text: string): number {
  const lines = text.split('\n').map((line) => line.trim());
  const at = lines.findIndex((line) => line.startsWith('#bytes'));
  const row = lines[at + 1]?.split(/\s+/).map(Number) ?? [];
  // Their MB are MiB unless --report_gbits asks for Gb/s.
  const names = (lines[at] ?? '').split(/\s{2,}|\t+|\s+(?=#|t_|BW|Msg|\d)/).filter((name) => name !== '');
  const gbits = row[names.findIndex((name) => name.startsWith('BW average[Gb/sec]'))];
  const typical = row[names.findIndex((name) => name.startsWith('t_typical'))];
  const figure = gbits === undefined ? typical : gbits / 8;
  if (!(figure > 0)) throw new Error('perftest: no figures in its output');
  return figure;
}

/** A verbs command of libibverbs, in µs. */
export const verbsCommand: Ours = {
  name: 'infinitive',
  needs: { command: 'ibv_devices', pkg: 'ibverbs-utils' },
  async run({ quick, signal }) {
    const [ip] = twoAddresses();
    const args = [...run(ip), process.execPath, sidePath('verb.ts'), quick ? '2000' : '10000'];
    await using running = new Running(process.execPath, args, { signal });
    return parseSide(await running.output(), 'us');
  },
};

/** cmtime's connections, ms each from the first step to the last. */
export function cmtime(count: number): Ours {
  return {
    name: 'infinitive',
    needs: { command: 'cmtime', pkg: 'rdmacm-utils' },
    async run({ signal }) {
      const [ip] = twoAddresses();
      // The server has no end, and nothing tells when it listens: who comes too early is refused, and comes again.
      const script = `cmtime -c ${count} >/dev/null 2>&1 &
        for i in $(seq 100); do out=$(cmtime -s ${ip} -c ${count} 2>&1) && break; sleep 0.02; done; echo "$out"`;
      await using running = new Running(process.execPath, [...run(ip), 'sh', '-c', script], { signal });
      return parseCmtime(await running.output(), count);
    },
  };
}

/** Reads cmtime's table: the sum of all steps' totals, ms a connection. */
export function parseCmtime(text: string, count: number): number {
  const totals = [...text.matchAll(/^[a-z ]+:\s+([\d.]+)/gm)].map(([, total]) => Number(total));
  if (totals.length < 6) throw new Error(`cmtime: ${text.trim().split('\n').at(-1) || 'no figures in its output'}`);
  return totals.reduce((a, b) => a + b) / count;
}

async function timeOf(command: string, args: readonly string[], { signal }: Settings): Promise<number> {
  const start = performance.now();
  await using running = new Running(command, args, { signal });
  await running.output();
  return performance.now() - start;
}

/** What `infinitive run` adds to the start of a program, in ms, where it is built: from source it loads a file for each module. */
export const processStart: Ours = {
  name: 'infinitive',
  async run(settings) {
    const [ip] = twoAddresses();
    const within = await timeOf(process.execPath, [...run(ip, builtMain()), 'true'], settings);
    return within - (await timeOf('true', [], settings));
  },
};

export const nodeStart: Contender = {
  name: 'node -e 0',
  run: (settings) => timeOf(process.execPath, ['-e', '0'], settings),
};

const TREE = '/usr/share';
/** Twice, so that the second finds all in the cache. */
const LS = `ls -lR ${TREE} >/dev/null 2>&1; a=$(date +%s%N); ls -lR ${TREE} >/dev/null 2>&1; echo $(($(date +%s%N) - a))`;

async function listing(command: string, args: readonly string[], { signal }: Settings): Promise<number> {
  await using running = new Running(command, [...args, '-c', LS], { signal });
  return Number(await running.output()) / 1e6;
}

/** A program with many system calls that have a path and nothing to do with RDMA, in ms. */
export const lsUnderRun: Ours = {
  name: 'infinitive',
  run: (settings) => listing(process.execPath, [...run(twoAddresses()[0]), 'sh'], settings),
};
export const lsAlone: Contender = { name: 'ls alone', run: (settings) => listing('sh', [], settings) };
