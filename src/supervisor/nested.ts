// A run inside of a run: the programs have a device already.
import { existsSync, readFileSync } from 'node:fs';
import { RunError } from './errors.ts';
import { findProgram } from './find-program.ts';
import { RUN_VARIABLE } from './run-variable.ts';
import { passSignals } from './signals.ts';
import { openFilesOfUser, type ProgramEnd, startProgram } from './start-program.ts';

/** SECCOMP_MODE_FILTER, as /proc/PID/status shows it. */
const FILTERED = /^Seccomp:\s*2$/m;

/** The run that this process is in, as the environment names it; null: in none. */
export function outerRun(): string | null {
  const run = process.env[RUN_VARIABLE];
  if (run === undefined || run === '') return null;
  // The variable may have come out of a run by itself; the filter cannot.
  if (!FILTERED.test(readFileSync('/proc/self/status', 'latin1'))) return null;
  return existsSync('/sys/class/infiniband_verbs') ? run : null;
}

/** Starts the program with the device of the run that this process is in; its exit code. */
export async function attach(command: readonly string[]): Promise<number> {
  const file = findProgram(command[0], process.env.PATH);
  let pid = 0;
  const stopSignals = passSignals(() => pid);
  const end = await new Promise<ProgramEnd>((resolve) => {
    pid = startProgram({ file, argv: command, env: process.env, openFiles: openFilesOfUser() }, resolve).pid ?? 0;
  });
  stopSignals();
  if (end.error !== null) throw new RunError(end.error, end.exitCode);
  return end.exitCode;
}
