import { fstatSync } from 'node:fs';
import { EAGAIN, EINTR, F_SETFL, FIONREAD, O_CLOEXEC, O_NONBLOCK, O_RDONLY, POLLERR } from './constants.ts';
import { check, errno, libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';

/** More than a pipe holds by default, and a power of two of records. */
const SCRATCH = 1 << 17;
/** What a program without privileges can make a pipe hold (pipe-max-size). */
const MOST_TAKEN = 1 << 20;
const scratch: { buffer: Buffer; at: number } = { buffer: allocate(0), at: 0 };

function room(): Buffer {
  if (scratch.buffer.length === 0) {
    scratch.buffer = allocate(SCRATCH);
    scratch.at = addressOf(scratch.buffer);
  }
  return scratch.buffer;
}

/** What became of a write to a pipe. */
export const Written = { ALL: 0, FULL: 1, NO_READER: 2 } as const;

/** The end of a pipe that is written to, without ever blocking; the other end is given away. */
export class PipeWriter {
  readonly fd: number;
  /** The pipe's inode: `pipe:[INODE]` is what /proc shows of any descriptor of it. */
  readonly inode: number;
  #readEnd: number;
  #open: boolean;

  constructor() {
    const fds = allocate(8);
    check(libc().pipe2(addressOf(fds), O_CLOEXEC), 'pipe2');
    this.#readEnd = fds.readInt32LE(0);
    this.fd = fds.readInt32LE(4);
    this.#open = true;
    // Of this end only: a reader shall be able to wait. (O_NONBLOCK belongs to the open file description.)
    check(libc().fcntl(this.fd, F_SETFL, O_NONBLOCK), 'fcntl');
    this.inode = fstatSync(this.fd).ino;
    room();
  }

  /** Hands the read end to `give`, then closes it here: from then on the reader is the only one. */
  giveReadEnd<T>(give: (fd: number) => T): T {
    try {
      return give(this.#readEnd);
    } finally {
      if (this.#readEnd >= 0) libc().close(this.#readEnd);
      this.#readEnd = -1;
    }
  }

  /** Writes a record (of a size that a pipe writes whole, PIPE_BUF), or nothing of it. */
  write(record: Buffer): number {
    if (!this.#open) return Written.NO_READER;
    record.copy(scratch.buffer, 0);
    for (;;) {
      if (libc().write(this.fd, scratch.at, record.length) === record.length) return Written.ALL;
      const error = errno();
      if (error === EINTR) continue;
      return error === EAGAIN ? Written.FULL : Written.NO_READER;
    }
  }

  /** Bytes written that nobody has read yet. */
  get unread(): number {
    if (!this.#open) return 0;
    libc().ioctl(this.fd, FIONREAD, scratch.at);
    return scratch.buffer.readInt32LE(0);
  }

  /** Somebody has the read end. */
  get hasReader(): boolean {
    if (!this.#open) return false;
    scratch.buffer.writeInt32LE(this.fd, 0);
    scratch.buffer.writeUInt32LE(0, 4);
    return libc().poll(scratch.at, 1, 0) <= 0 || (scratch.buffer.readUInt16LE(6) & POLLERR) === 0;
  }

  /**
   * Takes back what nobody has read yet. No more than there is at this moment: who has the read end can open the pipe for writing
   * as well (/proc/self/fd/N), and would keep us here for as long as it writes.
   */
  takeBack(): Buffer {
    let left = Math.min(this.unread, MOST_TAKEN);
    if (left === 0) return Buffer.alloc(0);
    // A description of its own: O_NONBLOCK on the reader's would not let it wait.
    const fd = libc().open(`/proc/self/fd/${this.fd}`, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd === -1) return Buffer.alloc(0);
    const parts: Buffer[] = [];
    while (left > 0) {
      const n = libc().read(fd, scratch.at, Math.min(left, SCRATCH));
      if (n > 0) {
        parts.push(Buffer.from(scratch.buffer.subarray(0, n)));
        left -= n;
      } else if (n === 0 || errno() !== EINTR) break;
    }
    libc().close(fd);
    return Buffer.concat(parts);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    libc().close(this.fd);
    if (this.#readEnd >= 0) libc().close(this.#readEnd);
    this.#readEnd = -1;
  }
}
