import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';

/** The symbolic name of an errno of this system: `EADDRINUSE` for 98. */
export function errnoName(errno: number): string {
  const found = Object.entries(constants.errno).find(([, value]) => value === errno);
  return found?.[0] ?? `errno ${errno}`;
}

/** A system call that failed. */
export class SysError extends Error {
  override readonly name = 'SysError';
  /** `EADDRINUSE` and the like. */
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  /** `detail` replaces the message. */
  constructor(errno: number, syscall: string, detail?: string) {
    const code = errnoName(errno);
    const text = getSystemErrorMap().get(-errno)?.[1];
    super(detail ?? `${syscall}: ${code}${text === undefined ? '' : `, ${text}`}`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}
