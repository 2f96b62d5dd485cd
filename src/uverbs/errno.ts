import { constants } from 'node:os';
import { VerbsError } from '../core/errors.ts';
import { SysError } from '../os/errors.ts';

export const { EFAULT, EINVAL, EIO, ENOMEM, ENOSPC, EPROTONOSUPPORT } = constants.errno;

/** The errno a program gets for an error; EIO for one that only a mistake here can have thrown. */
export function errnoOf(error: unknown): number {
  return error instanceof VerbsError || error instanceof SysError ? error.errno : EIO;
}

export function refuse(code: VerbsError['code'], message: string): never {
  throw new VerbsError('uverbs', code, message);
}
