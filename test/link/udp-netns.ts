// Runs a script in a network namespace of its own, where it may make interfaces and open packet sockets.
import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { missing, requireProgram } from '../helpers/debian.ts';

/** The script's output as JSON, or null (test skipped) where no namespace can be had. `setup` is shell, run before it. */
export function inNamespace<T>(t: TestContext, setup: string, script: string): T | null {
  if (!requireProgram(t, 'unshare', 'util-linux') || !requireProgram(t, 'ip', 'iproute2')) return null;
  // Who is not root may have a namespace of users, where he is.
  const unshare = process.getuid!() === 0 ? ['-n'] : ['-rn'];
  if (spawnSync('unshare', [...unshare, 'true']).status !== 0) {
    missing(t, 'needs root, or unprivileged user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0)');
    return null;
  }
  const args = [...unshare, 'sh', '-ec', `${setup}\nexec "$0" "$1"`, process.execPath, script];
  const { status, stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8', timeout: 30_000 });
  if (status !== 0) throw new Error(`in the namespace: status ${status}\n${stderr}`);
  return JSON.parse(stdout) as T;
}
