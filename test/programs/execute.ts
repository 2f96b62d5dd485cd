// Runs one case: under `infinitive run`, as a user would type it.
import { spawn } from 'node:child_process';
import { repoPath } from '../helpers/run.ts';
import type { ProgramCase } from './case.ts';

export interface Outcome {
  readonly ok: boolean;
  readonly seconds: number;
  /** All that the programs printed. */
  readonly output: string;
  /** Why it is not ok. */
  readonly reason: string;
}

/** Who runs it: words put before `infinitive run`, such as `unshare -Ur`. */
export type Before = readonly string[];

let addresses = 0;
// Fresh for each run, so that nothing of an earlier one is met.
const freshIp = (): string => {
  addresses++;
  // Another such run on this host has other addresses.
  return `127.${64 + (process.pid % 128)}.${Math.floor(addresses / 254)}.${1 + (addresses % 254)}`;
};

const CLI = repoPath('src/cli/main.ts');
/** `infinitive run` at the address `ip`, of a command that speaks to `server`. */
const infinitive = (
  before: Before,
  { options = [] }: ProgramCase,
  command: readonly string[],
  ip = freshIp(),
  server = ip,
): string[] => [
  ...before,
  process.execPath,
  CLI,
  'run',
  '--ip',
  ip,
  ...options,
  '--',
  ...command.map((word) => word.replaceAll('{ip}', server)),
];

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
}

function start(argv: readonly string[], timeoutMs: number): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0], argv.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    // It is asked to end, so that it ends its programs; and made to.
    const term = setTimeout(() => child.kill('SIGTERM'), timeoutMs);
    const kill = setTimeout(() => child.kill('SIGKILL'), timeoutMs + 5000);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(term);
      clearTimeout(kill);
      resolve({ code, signal, output });
    });
  });
}

const quoted = (argv: readonly string[]): string => argv.map((a) => `'${a.replaceAll("'", `'\\''`)}'`).join(' ');
// Clients of most programs do not try again: the server must listen (state 0A) first, unless it has ended.
const untilListening = (port: number, alive = 'true'): string =>
  `for i in $(seq 500); do grep -q ':${port.toString(16).toUpperCase().padStart(4, '0')} [0-9A-F:]* 0A' /proc/net/tcp /proc/net/tcp6 && break; ${alive} || exit 1; sleep 0.02; done`;

export async function execute(one: ProgramCase, before: Before = []): Promise<Outcome> {
  const started = performance.now();
  const timeoutMs = (one.timeoutS ?? 30) * 1000;
  const ended = await (one.server === undefined
    ? start(infinitive(before, one, one.command), timeoutMs)
    : one.runs === 2
      ? asTwoRuns(one, before, timeoutMs)
      : start(infinitive(before, one, ['bash', '-c', script(one)]), timeoutMs));
  const seconds = (performance.now() - started) / 1000;
  const reason = complaint(ended, one, seconds * 1000 >= timeoutMs);
  return { ok: reason === '', seconds, output: ended.output, reason };
}

function script({ server, command, port }: ProgramCase): string {
  return `${quoted(server!)} & server=$!; ${untilListening(port!, 'kill -0 $server 2>/dev/null')}; ${quoted([...command, '127.0.0.1'])}; code=$?
wait $server || code=$?; exit $code`;
}

async function asTwoRuns(one: ProgramCase, before: Before, timeoutMs: number): Promise<Ended> {
  const { server, command, port } = one;
  const ip = freshIp();
  const serving = start(infinitive(before, one, server!, ip), timeoutMs);
  const connecting =
    port === undefined
      ? infinitive(before, one, command, freshIp(), ip)
      : ['bash', '-c', `${untilListening(port)}; exec ${quoted(infinitive(before, one, [...command, '127.0.0.1']))}`];
  const client = start(connecting, timeoutMs);
  const [a, b] = await Promise.all([serving, client]);
  const failed = a.code === 0 ? b : a;
  return { ...failed, output: `${a.output}\n${b.output}` };
}

function complaint({ code, signal, output }: Ended, { expect, check }: ProgramCase, late: boolean): string {
  if (late) return 'it did not end in time';
  if (signal !== null) return `it was ended by ${signal}`;
  if (code !== 0) return `exit code ${code}`;
  if (expect !== undefined && !expect.test(output)) return `its output has no ${expect}`;
  return check?.(output) ?? '';
}
