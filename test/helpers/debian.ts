// Tests that need a program from a Debian package say which, and are skipped without it; in CI a missing one is a failure.
import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';

/** Whether `program` runs here; when not, skips the test `t` (fails it when CI=true) naming the Debian `pkg` to install. */
export function requireProgram(t: TestContext, program: string, pkg: string): boolean {
  if (spawnSync('sh', ['-c', 'command -v "$0"', program]).status === 0) return true;
  missing(t, `needs ${program}: apt-get install ${pkg}`);
  return false;
}

/** Skips the test for `reason`, or fails it when CI=true: CI installs all that the tests need. */
export function missing(t: TestContext, reason: string): void {
  if (process.env.CI === 'true') throw new Error(`in CI nothing may be skipped: ${reason}`);
  t.skip(reason);
}
