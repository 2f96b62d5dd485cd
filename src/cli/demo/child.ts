// Processes of this program, whose standard output is JSON lines.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { CliError } from '../errors.ts';

export interface Child {
  readonly process: ChildProcess;
  /** What it writes, line by line, until it ends. */
  lines(): AsyncGenerator<unknown, void, void>;
  stop(): void;
}

/** Starts `infinitive …args` as another process, however this one was started. */
export function startChild(args: readonly string[]): Child {
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1], ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('close', resolve);
  });
  let stopped = false;
  return {
    process: child,
    async *lines() {
      for await (const line of createInterface({ input: child.stdout })) yield JSON.parse(line) as unknown;
      const code = await ended;
      if (code !== 0 && !stopped) {
        const reason = complaint.trim().replace(/^infinitive: /, '') || `it ended with ${code ?? 'an error'}`;
        throw new CliError(`process "infinitive ${args[0]}": ${reason}`);
      }
    },
    stop() {
      stopped = true;
      child.kill();
    },
  };
}
