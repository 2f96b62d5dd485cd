import { libc } from '../../src/os/libc.ts';
import { addressOf, allocate } from '../../src/os/memory.ts';

const POLLIN = 1;
const fds = allocate(8);

/** Does poll(2) say that the descriptor can be read? */
export function poll(fd: number): boolean {
  fds.writeInt32LE(fd, 0);
  fds.writeUInt32LE(POLLIN, 4);
  return libc().poll(addressOf(fds), 1, 0) === 1 && (fds.readUInt16LE(6) & POLLIN) !== 0;
}
