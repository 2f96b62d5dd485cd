import { POLLHUP, POLLIN } from './constants.ts';
import { type Libc, libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';

/** struct pollfd: descriptor, events, revents. */
const POLLFD_BYTES = 8;

/** A few descriptors that are waited for together with poll(2). */
export class PollSet {
  readonly #libc: Libc;
  readonly #count: number;
  readonly #buf: Buffer;
  readonly #at: number;

  constructor(fds: readonly number[]) {
    this.#libc = libc();
    this.#count = fds.length;
    this.#buf = allocate(fds.length * POLLFD_BYTES);
    this.#at = addressOf(this.#buf);
    fds.forEach((fd, i) => {
      this.#buf.writeInt32LE(fd, i * POLLFD_BYTES);
      this.#buf.writeUInt16LE(POLLIN, i * POLLFD_BYTES + 4);
    });
  }

  /**
   * Does one of them, or of the first `count`, have something, after at most `timeoutMs` (0: now, -1: for ever)? False too when a
   * signal interrupted.
   */
  wait(timeoutMs: number, count: number = this.#count): boolean {
    for (let i = count; i < this.#count; i++) this.#buf.writeUInt16LE(0, i * POLLFD_BYTES + 6);
    return this.#libc.poll(this.#at, count, timeoutMs) > 0;
  }

  /** Whether descriptor `i` was readable at the last {@link wait}, which was true; it may be told of for an error, or because {@link hungUp}, as well. */
  readable(i: number): boolean {
    return (this.#revents(i) & POLLIN) !== 0;
  }

  /** Whether its other end is gone. */
  hungUp(i: number): boolean {
    return (this.#revents(i) & POLLHUP) !== 0;
  }

  /** It is not looked at any more. */
  remove(i: number): void {
    this.#buf.writeInt32LE(-1, i * POLLFD_BYTES);
    this.#buf.writeUInt16LE(0, i * POLLFD_BYTES + 6);
  }

  #revents(i: number): number {
    return this.#buf.readUInt16LE(i * POLLFD_BYTES + 6);
  }
}
