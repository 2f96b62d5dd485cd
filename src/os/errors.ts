import { getSystemErrorMap } from 'node:util';

/** The symbolic name of a Linux errno: `EADDRINUSE` for 98. */
export function errnoName(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[0] ?? `errno ${errno}`;
}

/** A system call that failed. */
export class SysError extends Error {
  override readonly name = 'SysError';
  /** `EADDRINUSE` and the like. */
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  constructor(errno: number, syscall: string, detail = '') {
    const [code, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error'];
    super(detail === '' ? `${syscall}: ${code}, ${text}` : detail);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}
