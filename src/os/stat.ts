// struct stat and struct statx as the kernel writes them, to be handed on as they are.
import { AT_FDCWD } from './constants.ts';
import { errno, libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';
import { syscallTable } from './syscalls.ts';

export const STATX_BYTES = 256;
/** st_dev and st_ino come first on both architectures. */
const STAT_DEV = 0;
const STAT_INO = 8;
const KEY_WORDS = 4;
/** Offsets in struct statx (uapi/linux/stat.h). */
const STATX_MODE = 28;
const STATX_SIZE = 40;
const STATX_BLOCKS = 48;
const STATX_RDEV = 128;

const TYPE = 0o170000;
const CHARACTER_DEVICE = 0o020000;
const DIRECTORY = 0o040000;

/** newfstatat(2) into a buffer made by `allocate`: 0 or an errno. */
export function statInto(path: string, flags: number, into: Buffer): number {
  return call(syscallTable().nr.newfstatat, path, addressOf(into), flags, 0);
}

const ZERO = 48;
const entry = allocate(16);
let entryAt = 0;

/** stat(2) of the entry `name` of an open directory, into a buffer at `address`. */
export function statEntry(directory: number, name: number, address: number): boolean {
  if (entryAt === 0) entryAt = addressOf(entry);
  let at = entry.length - 1;
  let rest = name;
  // The text ends with the 0 that is there.
  do {
    entry[--at] = ZERO + (rest % 10);
    rest = Math.floor(rest / 10);
  } while (rest > 0);
  return libc().syscall(syscallTable().nr.newfstatat, directory, entryAt + at, address, 0, 0, 0) === 0;
}

/** statx(2) likewise. */
export function statxInto(path: string, flags: number, mask: number, into: Buffer): number {
  return call(syscallTable().nr.statx, path, flags, mask, addressOf(into));
}

function call(nr: number, path: string, a: number, b: number, c: number): number {
  const bytes = allocate(Buffer.byteLength(path) + 1);
  bytes.write(path);
  return libc().syscall(nr, AT_FDCWD, addressOf(bytes), a, b, c, 0) === -1 ? errno() : 0;
}

/** What tells an open file from all others, as long as it is open: st_dev and st_ino, in words. */
export class FileKey {
  private readonly words = new Uint32Array(KEY_WORDS);

  constructor(stat: Buffer) {
    for (let i = 0; i < KEY_WORDS; i++) this.words[i] = stat.readUInt32LE(STAT_DEV + 4 * i);
  }

  is(stat: Buffer): boolean {
    for (let i = 0; i < KEY_WORDS; i++) if (this.words[i] !== stat.readUInt32LE(STAT_DEV + 4 * i)) return false;
    return true;
  }
}

/** A part of the key, to look it up by. */
export const fileHash = (stat: Buffer): number => stat.readUInt32LE(STAT_INO);

export const isDirectory = (stat: Buffer): boolean => (modeOf(stat) & TYPE) === DIRECTORY;

function modeOf(stat: Buffer): number {
  return stat.readUInt32LE(syscallTable().stat.mode);
}

export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

/** Makes a struct stat tell of a character device that everybody may open. */
export function showDevice(stat: Buffer, { major, minor }: DeviceNumber): void {
  const at = syscallTable().stat;
  stat.writeUInt32LE(CHARACTER_DEVICE | 0o666, at.mode);
  // new_encode_dev() of linux/kdev_t.h
  stat.writeUInt32LE(((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0, at.rdev);
  stat.fill(0, at.size, at.size + 8);
  stat.fill(0, at.blocks, at.blocks + 8);
}

/** The same for a struct statx. */
export function showDeviceX(statx: Buffer, { major, minor }: DeviceNumber): void {
  statx.writeUInt16LE(CHARACTER_DEVICE | 0o666, STATX_MODE);
  statx.fill(0, STATX_SIZE, STATX_BLOCKS + 8);
  statx.writeUInt32LE(major, STATX_RDEV);
  statx.writeUInt32LE(minor, STATX_RDEV + 4);
}
