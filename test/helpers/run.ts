// Runs programs as a user would: in a process of their own.
import { spawn } from 'node:child_process';

export interface Ran {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** It is killed after so many milliseconds. */
  readonly timeout?: number;
}

export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const { timeout = 20_000, ...rest } = options;
    const child = spawn(command, args, { ...rest, timeout, killSignal: 'SIGKILL', stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr, ms: performance.now() - start }));
  });
}

/** Runs the text of a module. Its imports must be absolute; {@link repoUrl} makes them so. */
export const runModule = (
  text: string,
  options: RunOptions & { readonly args?: readonly string[] } = {},
): Promise<Ran> =>
  run(process.execPath, ['--input-type=module-typescript', '-e', text, '--', ...(options.args ?? [])], options);

/** The URL of a file of the repository, given from its root. */
export const repoUrl = (path: string): string => new URL(`../../${path}`, import.meta.url).href;
export const repoPath = (path: string): string => new URL(`../../${path}`, import.meta.url).pathname;
