import { IN_CLOEXEC, IN_NONBLOCK, IN_Q_OVERFLOW } from './constants.ts';
import { check, type Libc, libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';

/** struct inotify_event without its name: files watched by themselves have none. */
const EVENT_BYTES = 16;
const BUFFER_BYTES = 256 * EVENT_BYTES;

/** Tells what happens to files (inotify(7)). */
export class Inotify {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #buf: Buffer;
  readonly #at: number;

  constructor() {
    this.#libc = libc();
    this.#buf = allocate(BUFFER_BYTES);
    this.#at = addressOf(this.#buf);
    this.fd = check(this.#libc.inotify_init1(IN_CLOEXEC | IN_NONBLOCK), 'inotify_init1');
  }

  /** Watches the file at `path`: the number that its events carry. */
  watch(path: string, mask: number): number {
    return check(this.#libc.inotify_add_watch(this.fd, path, mask), 'inotify_add_watch');
  }

  /** The watch is gone already where the file is. */
  unwatch(wd: number): void {
    this.#libc.inotify_rm_watch(this.fd, wd);
  }

  /** Takes all events there are; calls `event` for each, if given. False when the kernel had to drop some. */
  drain(event?: (wd: number, mask: number) => void): boolean {
    let whole = true;
    for (;;) {
      const n = this.#libc.read(this.fd, this.#at, BUFFER_BYTES);
      if (n <= 0) return whole;
      for (let at = 0; at + EVENT_BYTES <= n; at += EVENT_BYTES + this.#buf.readUInt32LE(at + 12)) {
        const mask = this.#buf.readUInt32LE(at + 4);
        if ((mask & IN_Q_OVERFLOW) !== 0) whole = false;
        else event?.(this.#buf.readInt32LE(at), mask);
      }
      if (n < BUFFER_BYTES - EVENT_BYTES) return whole;
    }
  }

  close(): void {
    this.#libc.close(this.fd);
  }
}
