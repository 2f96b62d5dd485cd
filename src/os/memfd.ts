import { fstatSync } from 'node:fs';
import {
  F_ADD_SEALS,
  F_GET_SEALS,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
} from './constants.ts';
import { check, libc } from './libc.ts';
import { mapShared } from './mmap.ts';

/** Maps a file that another process has sent, and closes the descriptor; null unless it has `size` bytes and can not be made shorter. */
export function mapSealed(fd: number, size: number): Buffer | null {
  try {
    // fcntl fails for what is no file in memory.
    const sealed = libc().fcntl(fd, F_GET_SEALS, 0);
    if (sealed === -1 || (sealed & F_SEAL_SHRINK) === 0 || fstatSync(fd).size !== size) return null;
    return mapShared(fd, 0, size);
  } catch {
    return null;
  } finally {
    libc().close(fd);
  }
}

/** A file in memory that is shared with another process, which may write anything to it but not make it shorter. */
export class SharedFile {
  readonly fd: number;
  #open: boolean;

  /** `size` bytes, of which only those that are touched take memory. */
  constructor(name: string, size: number) {
    this.fd = check(libc().memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), 'memfd_create');
    this.#open = true;
    try {
      check(libc().ftruncate(this.fd, size), 'ftruncate');
      // Were it made shorter, touching what is mapped beyond its end would kill this process (SIGBUS).
      check(libc().fcntl(this.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL), 'fcntl');
    } catch (error) {
      this.close();
      throw error;
    }
  }

  map(offset: number, length: number): Buffer {
    return mapShared(this.fd, offset, length);
  }

  /** Gives the memory of a part back; it reads as zeros from then on, wherever it is mapped. */
  punch(offset: number, length: number): void {
    if (this.#open) libc().fallocate(this.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    libc().close(this.fd);
  }
}
