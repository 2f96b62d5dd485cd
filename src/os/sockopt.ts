import { check, libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';

/** Sets a socket option that is an int; throws what the kernel says. */
export function setOption(fd: number, level: number, name: number, value: number): void {
  setOptionBytes(fd, level, name, int(value));
}

/** Sets a socket option that is an int, where the kernel has it and allows it; returns whether it did. */
export function trySetOption(fd: number, level: number, name: number, value: number): boolean {
  return libc().setsockopt(fd, level, name, addressOf(int(value)), 4) === 0;
}

/** Sets a socket option that is a structure. */
export function setOptionBytes(fd: number, level: number, name: number, value: Buffer): void {
  check(libc().setsockopt(fd, level, name, addressOf(value), value.length), 'setsockopt');
}

/** Reads a socket option that is an int. */
export function getOption(fd: number, level: number, name: number): number {
  const buf = allocate(8);
  buf.writeUInt32LE(4, 4);
  const at = addressOf(buf);
  check(libc().getsockopt(fd, level, name, at, at + 4), 'getsockopt');
  return buf.readInt32LE(0);
}

function int(value: number): Buffer {
  const buf = allocate(4);
  buf.writeInt32LE(value, 0);
  return buf;
}
