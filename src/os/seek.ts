import { SEEK_CUR, SEEK_SET } from './constants.ts';
import { libc } from './libc.ts';

/** The position of an open file; as bigint, because it may be any 63-bit number. */
export function whereIs(fd: number): bigint {
  return BigInt(libc().lseek(fd, 0, SEEK_CUR));
}

/** Sets the position, for all that share the open file. */
export function seekTo(fd: number, position: bigint): void {
  libc().lseek(fd, position, SEEK_SET);
}
