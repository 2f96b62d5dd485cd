// What the programs here have in common: one file is both sides, and the client starts the server as a process of its own.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Pace } from '../../src/cli/perf/pace.ts';

export const isServer: boolean = process.send !== undefined;

/** The other side: messages go to and fro as JSON. */
export interface Side {
  send(message: object): void;
  /** The next message. */
  receive<T>(): Promise<T>;
  /** Ends the server; it has ended then. */
  end(): Promise<void>;
}

function sideOf(
  emitter: { on(name: 'message', listener: (message: unknown) => void): unknown },
  send: (message: object) => void,
  end: () => Promise<void>,
): Side {
  const queue: unknown[] = [];
  let wake: ((message: unknown) => void) | null = null;
  emitter.on('message', (message) => {
    if (wake === null) queue.push(message);
    else wake(message);
    wake = null;
  });
  return {
    send,
    end,
    receive: <T>() =>
      new Promise<T>((resolve) => {
        if (queue.length > 0) resolve(queue.shift() as T);
        else wake = resolve as (message: unknown) => void;
      }),
  };
}

/** For the client: starts the same file, with the same arguments, as the server. */
export function startServer(url: string): Side {
  const child = fork(fileURLToPath(url), process.argv.slice(2));
  child.once('exit', (code) => {
    if (code !== 0) process.exit(code ?? 1);
  });
  return sideOf(
    child,
    (message) => void child.send(message),
    async () => {
      const gone = once(child, 'exit');
      child.disconnect();
      await gone;
    },
  );
}

/** For the server: the client, which ends it. */
export function client(): Side {
  return sideOf(
    process,
    (message) => void process.send!(message),
    () => Promise.resolve(process.disconnect!()),
  );
}

/** Polls, in the pace of `infinitive perf`, until the client ends it. */
export async function serve(poll: () => number): Promise<void> {
  const pace = new Pace(false);
  let over = false;
  process.once('disconnect', () => {
    over = true;
  });
  while (!over) {
    while (!pace.due(poll()));
    await pace.turn();
  }
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
