// Starts the program as a shell would: same terminal, process group and standard files, and the limits of the user's shell.
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { openFilesLimit, parentOpenFilesLimit, setOpenFilesLimit } from '../os/rlimit.ts';
import { codeOf } from './errors.ts';

/** What is to be started. */
export interface ProgramStart {
  readonly file: string;
  /** With the name that it was called by. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The soft limit on open files that it shall have. */
  readonly openFiles: number;
}

/** How it ended, as a shell's exit code; `error`: it was not started. */
export interface ProgramEnd {
  readonly exitCode: number;
  readonly error: string | null;
}

/** A shell's limit where the user's cannot be found out. */
const USUAL_OPEN_FILES = 1024;

/** The soft limit on open files that a program has when the user starts it. */
export function openFilesOfUser(): number {
  return Math.min(parentOpenFilesLimit() ?? USUAL_OPEN_FILES, openFilesLimit().hard);
}

/** Starts it; `ended` is called once. */
export function startProgram(start: ProgramStart, ended: (end: ProgramEnd) => void): ChildProcess {
  const { file, argv, env } = start;
  const { soft } = openFilesLimit();
  // Node has raised the limit for itself, and a child inherits it.
  setOpenFilesLimit(start.openFiles);
  let child: ChildProcess;
  try {
    child = spawn(file, argv.slice(1), { argv0: argv[0], env: { ...env }, stdio: 'inherit' });
  } finally {
    setOpenFilesLimit(soft);
  }
  child.once('error', (error) => {
    // It is there and executable; so its interpreter is not, or its format is none.
    const missing = codeOf(error) === 'ENOENT';
    const why = missing ? 'its interpreter is missing' : error.message;
    ended({ exitCode: missing ? 127 : 126, error: `${argv[0]}: cannot be executed: ${why}` });
  });
  child.once('exit', (code, signal) => ended({ exitCode: code ?? 128 + constants.signals[signal!], error: null }));
  return child;
}
