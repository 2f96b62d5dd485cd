// Debian packages: which there are, fetching them with all they depend on, unpacking.
import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

function run(command: string, args: readonly string[], cwd?: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr.slice(-1000)}`);
  return stdout;
}

/** Quiet, and able to write to a folder that only root may enter. */
const APT = ['-qq', '-o', 'APT::Sandbox::User=root', '-o', 'Debug::NoLocking=1'];

export function aptUpdate(): void {
  run('apt-get', [...APT, 'update']);
}

/** The package that the kernel's meta-package stands for, and its version. */
export function kernelPackage(meta = 'linux-image-amd64'): { name: string; version: string; release: string } {
  const name = /Depends: (linux-image-\S+)/.exec(run('apt-cache', ['depends', meta]))?.[1];
  if (name === undefined) throw new Error(`${meta} depends on no kernel; is this Debian on amd64?`);
  const version = /Candidate: (\S+)/.exec(run('apt-cache', ['policy', name]))![1];
  return { name, version, release: name.slice('linux-image-'.length) };
}

/**
 * Fetches packages and what they depend on as if nothing were installed, so that the result does not depend on this machine.
 * Returns the files.
 */
export function fetchClosure(packages: readonly string[], folder: string): string[] {
  mkdirSync(join(folder, 'partial'), { recursive: true });
  const status = join(folder, 'empty-status');
  writeFileSync(status, '');
  const options = ['-y', '-o', `Dir::State::status=${status}`, '-o', `Dir::Cache::archives=${folder}`];
  run('apt-get', [...APT, ...options, '--no-install-recommends', '--download-only', 'install', ...packages]);
  return debs(folder);
}

/** Fetches these packages alone. */
export function fetchPackages(packages: readonly string[], folder: string): string[] {
  mkdirSync(folder, { recursive: true });
  run('apt-get', [...APT, 'download', ...packages], folder);
  return debs(folder);
}

const debs = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.deb'))
    .map((name) => join(folder, name));

/** Unpacks packages into one tree with Debian's merged /usr. */
export function unpack(files: readonly string[], root: string): void {
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    mkdirSync(join(root, 'usr', name), { recursive: true });
    const link = join(root, name);
    if (!lstatSync(link, { throwIfNoEntry: false })) symlinkSync(`usr/${name}`, link);
  }
  for (const file of files) {
    run('sh', ['-c', 'dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2"', 'sh', file, root]);
  }
}
