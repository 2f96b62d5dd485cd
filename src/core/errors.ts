// Verbs fail with an errno, as in libibverbs; here it travels in an Error with a sentence that helps.
import { constants } from 'node:os';

export type ErrnoName = keyof typeof constants.errno;

/** A verb that failed: `code` is the errno's name (`'EBUSY'`), `errno` its number, `verb` the verb that was called. */
export class VerbsError extends Error {
  override readonly name = 'VerbsError';
  readonly code: ErrnoName;
  readonly errno: number;
  readonly verb: string;

  constructor(verb: string, code: ErrnoName, message: string) {
    super(`${verb}: ${code}: ${message}`);
    this.code = code;
    this.errno = constants.errno[code];
    this.verb = verb;
  }
}
