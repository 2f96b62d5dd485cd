// Runs programs under `infinitive run` as a user would; compiles the probe.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { MAIN } from '../cli/cli.ts';
import { uniqueAddress } from '../helpers/address.ts';
import { requireProgram } from '../helpers/debian.ts';
import { type Ran, type RunOptions, repoPath, run } from '../helpers/run.ts';

export const DIRECTORY = mkdtempSync(join(tmpdir(), 'infinitive-test-'));
chmodSync(DIRECTORY, 0o777);

/** `infinitive run OPTIONS -- COMMAND` on an address of its own. */
export const infinitiveRun = (
  command: readonly string[],
  options: RunOptions & { args?: readonly string[] } = {},
): Promise<Ran> => {
  const { args = [], ...rest } = options;
  return run(process.execPath, [MAIN, 'run', '--ip', uniqueAddress(), ...args, '--', ...command], {
    timeout: 60_000,
    ...rest,
  });
};

const built = new Map<string, string>();

/** The probe, compiled with `flags`; null (and the test skipped) without a compiler. */
export function probe(t: TestContext, ...flags: string[]): string | null {
  if (!requireProgram(t, 'gcc', 'gcc libc6-dev')) return null;
  const key = flags.join(' ');
  let file = built.get(key);
  if (file === undefined) {
    file = join(DIRECTORY, `probe${built.size}`);
    execFileSync('gcc', ['-Wall', '-O1', ...flags, '-o', file, repoPath('test/supervisor/probe.c'), '-lpthread']);
    built.set(key, file);
  }
  return file;
}
