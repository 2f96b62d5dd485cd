// How a running `infinitive run` is asked what it holds: a socket in a directory that only its user can enter. One question
// for each connection; the answer is a line of JSON.
import { chmodSync, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { ResourceEntry } from '../core/resources.ts';

/** What a run says about itself. */
export interface Snapshot {
  /** The supervisor's process id: what the run is known by. */
  readonly pid: number;
  /** The program and its arguments. */
  readonly command: readonly string[];
  readonly device: string;
  readonly netdev: string;
  readonly addresses: readonly string[];
  /** Seconds since it was started. */
  readonly uptime: number;
  /** Programs that have the device open. */
  readonly contexts: readonly { readonly id: number; readonly pid: number; readonly command: string }[];
  readonly resources: readonly ResourceEntry[];
  readonly counters: Readonly<Record<string, number>>;
}

/** A run that answers questions. */
export interface Run {
  readonly pid: number;
  readonly path: string;
}

const SUFFIX = '.sock';

function directory(): string {
  const own = `infinitive-${process.getuid?.() ?? 0}`;
  return join(process.env.XDG_RUNTIME_DIR ?? tmpdir(), own);
}

/** Somebody else may have made a directory of that name in /tmp: it must be ours, and closed to others. */
function ensureDirectory(): string {
  const path = directory();
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const found = lstatSync(path);
  if (!found.isDirectory() || found.uid !== (process.getuid?.() ?? found.uid)) {
    throw new Error(`${path} belongs to another user: set XDG_RUNTIME_DIR to a directory of your own`);
  }
  chmodSync(path, 0o700);
  return path;
}

/** Answers questions about this run until it is closed. */
export async function serveControl(ask: () => Promise<Snapshot>): Promise<{ readonly path: string; close(): void }> {
  const path = join(ensureDirectory(), `${process.pid}${SUFFIX}`);
  // What a killed run of the same process id has left.
  rmSync(path, { force: true });
  const asking = new Set<Socket>();
  const server = createServer((socket) => {
    asking.add(socket);
    socket.on('error', () => {}).on('close', () => asking.delete(socket));
    ask().then(
      (snapshot) => {
        asking.delete(socket);
        socket.end(JSON.stringify(snapshot));
      },
      () => socket.destroy(),
    );
  });
  server.unref();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return {
    path,
    close: () => {
      server.close();
      // Who asks a run that ends, or fails to start, is not kept waiting, nor is the process.
      for (const socket of asking) socket.destroy();
      rmSync(path, { force: true });
    },
  };
}

/** The runs of this user. */
export function listRuns(): Run[] {
  let names: string[];
  try {
    names = readdirSync(directory());
  } catch {
    return [];
  }
  const runs: Run[] = [];
  for (const name of names) {
    const pid = Number(name.slice(0, -SUFFIX.length));
    if (!name.endsWith(SUFFIX) || !Number.isInteger(pid)) continue;
    const path = join(directory(), name);
    if (isAlive(pid)) runs.push({ pid, path });
    else rmSync(path, { force: true });
  }
  return runs.sort((a, b) => a.pid - b.pid);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** @throws when the run has ended meanwhile. */
export async function askRun(run: Run): Promise<Snapshot> {
  const socket = connect(run.path);
  const answer = await text(socket);
  if (answer === '') throw new Error(`the run ${run.pid} did not answer: it may just have ended`);
  return JSON.parse(answer) as Snapshot;
}
