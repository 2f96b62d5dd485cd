// Processes that a measurement starts, and ends whatever happens.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const SOCKETS = ['/proc/net/tcp', '/proc/net/tcp6'];
/** The state of a socket in them. */
const LISTEN = '0A';

const live = new Set<Running>();
process.on('exit', () => {
  for (const running of live) running.kill();
});

/** One process and those that it starts itself: it leads a process group, so that they can be ended by its pid. */
export class Running implements AsyncDisposable {
  private readonly child: ChildProcess;
  private readonly command: string;
  private readonly signal: AbortSignal;
  private readonly exited: Promise<void>;
  private readonly abort = (): void => this.kill();
  private out = '';
  private err = '';

  constructor(
    command: string,
    args: readonly string[],
    options: { readonly signal: AbortSignal; readonly env?: Record<string, string> },
  ) {
    options.signal.throwIfAborted();
    this.command = command;
    this.signal = options.signal;
    this.child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      detached: true,
    });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.out += text;
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.err += text;
    });
    live.add(this);
    options.signal.addEventListener('abort', this.abort);
    this.exited = new Promise((resolve) => {
      const gone = (): void => {
        live.delete(this);
        options.signal.removeEventListener('abort', this.abort);
        resolve();
      };
      this.child.once('close', gone);
      this.child.once('error', (error) => {
        this.err += error.message;
        gone();
      });
    });
    // One that fails may leave children behind.
    this.child.once('exit', (code) => {
      if (code !== 0) this.kill();
    });
  }

  kill(): void {
    if (this.child.pid === undefined) return;
    try {
      process.kill(-this.child.pid, 'SIGKILL');
    } catch {
      // Nobody is left.
    }
  }

  /** Its first line, as soon as it is there. */
  async firstLine(): Promise<string> {
    while (!this.out.includes('\n')) {
      if (!live.has(this)) throw this.failure();
      await Promise.race([once(this.child.stdout!, 'data'), this.exited]);
    }
    return this.out.slice(0, this.out.indexOf('\n'));
  }

  /**
   * Waits until it listens on a TCP port that was free. Our peers' servers serve one connection: trying would use it up, so
   * the kernel is asked.
   */
  async listensOn(port: number): Promise<void> {
    while (!SOCKETS.some((file) => hasListener(readFileSync(file, 'utf8'), port))) {
      if (!live.has(this)) throw this.failure();
      await sleep(10);
    }
  }

  /** All that it has printed, once it has ended well. */
  async output(): Promise<string> {
    await this.exited;
    if (this.child.exitCode !== 0) throw this.failure();
    return this.out;
  }

  private failure(): Error {
    if (this.signal.aborted) {
      return new Error((this.signal.reason as Error)?.name === 'TimeoutError' ? 'took too long' : 'interrupted');
    }
    const { exitCode, signalCode } = this.child;
    const said = (this.err.trim() || this.out.trim()).split('\n').at(-1);
    return new Error(`${this.command}: ${said || `ended with ${exitCode ?? signalCode}`}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (live.has(this)) this.kill();
    await this.exited;
  }
}

/** Whether a program of this name can be run. */
export function isInstalled(command: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((dir) => {
    try {
      accessSync(join(dir, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** A TCP port that nobody has at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Whether the text of /proc/net/tcp or tcp6 has a socket that listens on `port`. */
export function hasListener(table: string, port: number): boolean {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table.split('\n').some((line) => {
    const [, local, , state] = line.trim().split(/\s+/);
    return state === LISTEN && local.endsWith(suffix);
  });
}
