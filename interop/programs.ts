// Whole programs against each other: a server here and a client in a guest, or the other way round.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Guest, Ran } from './guest.ts';
import type { Lab } from './lab.ts';
import { CONTROL, controlOf } from './namespace.ts';

const SECONDS = 60;
const READY_SECONDS = 20;
const REPOSITORY = new URL('..', import.meta.url).pathname;

/** `infinitive …` from the sources. */
export const infinitive = (...args: string[]): string[] => [process.execPath, `${REPOSITORY}src/cli/main.ts`, ...args];

export interface Pair {
  /** Command line on this machine; with `port` the server's address is added when it is the client. */
  readonly here: readonly string[];
  /** Command line in the guest; the same. */
  readonly guest: readonly string[];
  /** TCP port on which the server is waiting when it is ready; without one the client starts at once, and must know how to wait. */
  readonly port?: number;
  readonly server: 'here' | 'guest';
}

interface Here {
  readonly process: ChildProcess;
  readonly ran: Promise<Ran>;
}

function startHere(command: readonly string[]): Here {
  const child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], timeout: SECONDS * 1000 });
  let output = '';
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ran = new Promise<Ran>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ status: code ?? (signal === null ? 255 : 143), output }));
  });
  return { process: child, ran };
}

/** As /proc/net/tcp has a listening port. */
export const listening = (port: number): string => `:${port.toString(16).toUpperCase().padStart(4, '0')} [0:]*:0000 0A`;

async function readyHere(port: number, here: Here): Promise<void> {
  const pattern = new RegExp(listening(port));
  const end = performance.now() + READY_SECONDS * 1000;
  while (!['tcp', 'tcp6'].some((name) => pattern.test(readFileSync(`/proc/self/net/${name}`, 'utf8')))) {
    if (here.process.exitCode !== null) throw new Error(`the server here ended: ${(await here.ran).output}`);
    if (performance.now() > end) throw new Error('the server here does not listen');
    await sleep(20);
  }
}

async function readyGuest(guest: Guest, port: number): Promise<void> {
  const check = `until grep -q "${listening(port)}" /proc/net/tcp /proc/net/tcp6; do sleep 0.05; done`;
  if ((await guest.exec(check, READY_SECONDS)).status !== 0) throw new Error('the server in the guest does not listen');
}

/** Runs a pair to its end; both must succeed. Returns what each wrote. */
export async function runPair(lab: Lab, { here, guest, port, server }: Pair): Promise<{ here: string; guest: string }> {
  const clientOf = (command: readonly string[], host: string): readonly string[] =>
    port === undefined ? command : [...command, host];
  let one: Here;
  let other: Promise<Ran>;
  if (server === 'here') {
    one = startHere(here);
    if (port !== undefined) await readyHere(port, one);
    other = lab.guest.exec(clientOf(guest, CONTROL).join(' '), SECONDS);
  } else {
    other = lab.guest.exec(guest.join(' '), SECONDS);
    if (port !== undefined) await readyGuest(lab.guest, port);
    one = startHere(clientOf(here, controlOf(lab.guest.n)));
  }
  try {
    const [mine, theirs] = await Promise.all([one.ran, other]);
    lab.note(
      `here: ${here.join(' ')}: ${mine.status}\n${mine.output}\nguest: ${guest.join(' ')}: ${theirs.status}\n${theirs.output}`,
    );
    const failed = [mine, theirs].map(({ status }) => status !== 0);
    if (failed[0] || failed[1]) {
      const last = (output: string): string => output.trim().split('\n').slice(-2).join(' | ');
      throw new Error(`here ${mine.status}: ${last(mine.output)}; guest ${theirs.status}: ${last(theirs.output)}`);
    }
    return { here: mine.output, guest: theirs.output };
  } finally {
    if (one.process.exitCode === null) one.process.kill('SIGKILL');
  }
}
