// Runs the command line as a user would: in processes of their own.
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Ran, type RunOptions, run } from '../helpers/run.ts';

export const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

export const cli = (args: readonly string[], options: RunOptions = {}): Promise<Ran> =>
  run(process.execPath, [MAIN, ...args], { timeout: 25_000, ...options });

export interface Started {
  readonly ended: Promise<Ran>;
  readonly output: { stdout: string; stderr: string };
  kill(signal: NodeJS.Signals): void;
}

/** Starts it, to be signalled while it runs. */
export function start(args: readonly string[]): Started & { readonly child: ChildProcess } {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 100_000,
    killSignal: 'SIGKILL',
  });
  const output = { stdout: '', stderr: '' };
  const startedAt = performance.now();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  const ended = new Promise<Ran>((resolve) => {
    child.once('close', (status, signal) => resolve({ status, signal, ...output, ms: performance.now() - startedAt }));
  });
  return { child, ended, output, kill: (signal) => child.kill(signal) };
}

/** A server command that is running: it has said on which TCP port it waits. */
export class Server {
  readonly port: number;
  /** How it ends. */
  readonly ended: Promise<Ran>;
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess, port: number, ended: Promise<Ran>) {
    this.child = child;
    this.port = port;
    this.ended = ended;
  }

  /** Starts `infinitive command --port 0 …args`. */
  static start(command: string, args: readonly string[] = []): Promise<Server> {
    const { child, ended, output } = start([command, '--port', '0', ...args]);
    return new Promise((resolve, reject) => {
      child.stdout!.on('data', () => {
        const port = /TCP port (\d+)|"listening":(\d+)/.exec(output.stdout);
        if (port !== null) resolve(new Server(child, Number(port[1] ?? port[2]), ended));
      });
      void ended.then(({ stderr }) => reject(new Error(`the server ended at once: ${stderr}`)));
    });
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  stop(): Promise<Ran> {
    this.child.kill('SIGTERM');
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }
}
