// Which file a command names, found beforehand so that the error can be clear.
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { codeOf, RunError } from './errors.ts';

const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
/** As execvp(3) when PATH is not set. */
const DEFAULT_PATH = '/bin:/usr/bin';

/**
 * The file of `command`: itself if it has a slash, else the first executable one of that name in `path`.
 *
 * @throws {RunError}
 */
export function findProgram(command: string, path: string | undefined): string {
  const named = command.includes('/');
  const files = named
    ? [command]
    : (path ?? DEFAULT_PATH).split(delimiter).map((dir) => join(dir === '' ? '.' : dir, command));
  let refused = '';
  for (const file of files) {
    const why = whyNot(file);
    if (why === null) return named || file.includes('/') ? file : `./${file}`;
    if (why !== 'ENOENT' && why !== 'ENOTDIR') refused ||= why;
  }
  if (refused === '') {
    throw new RunError(named ? `${command}: there is no such file` : `${command}: command not found`, NOT_FOUND);
  }
  throw new RunError(`${command}: ${refused === 'EISDIR' ? 'it is a directory' : 'permission denied'}`, NOT_EXECUTABLE);
}

function whyNot(file: string): string | null {
  try {
    if (statSync(file).isDirectory()) return 'EISDIR';
    accessSync(file, constants.X_OK);
    return null;
  } catch (error) {
    return codeOf(error);
  }
}
