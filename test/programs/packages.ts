// The Debian packages of the programs: installed where that can be done, asked for where not.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { ProgramCase } from './case.ts';

const isThere = (name: string): boolean =>
  name.startsWith('/') ? existsSync(name) : spawnSync('sh', ['-c', 'command -v "$0"', name]).status === 0;

function missing(cases: readonly ProgramCase[]): string[] {
  const packages = cases.filter((one) => !isThere(one.program ?? one.command[0])).map((one) => one.package.split(' '));
  return [...new Set(packages.flat())];
}

/** True when all programs are there, at the end. */
export function ensurePackages(cases: readonly ProgramCase[]): boolean {
  const packages = missing(cases);
  if (packages.length === 0) return true;
  // libibverbs finds its drivers there; no program pulls it in.
  const wanted = [...packages, 'ibverbs-providers'];
  const command = `apt-get install --no-install-recommends ${wanted.join(' ')}`;
  if (process.getuid?.() !== 0 || !isThere('apt-get')) {
    console.error(`programs are missing: ${command}`);
    return false;
  }
  console.log(`installing ${wanted.join(', ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const install = (words: string[]): number | null => spawnSync('apt-get', words, { env, stdio: 'ignore' }).status;
  install(['-q', 'update']);
  if (install(['-q', '-y', 'install', '--no-install-recommends', ...wanted]) === 0) return true;
  console.error(`that failed; what it says: ${command}`);
  return false;
}
