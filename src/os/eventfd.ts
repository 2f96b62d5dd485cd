import { EFD_CLOEXEC, EFD_NONBLOCK } from './constants.ts';
import { check, type Libc, libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';

/** A descriptor that one thread makes readable to wake another that sleeps on it (eventfd(2)). */
export class EventFd {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #value: Buffer;
  readonly #valueAt: number;
  #open: boolean;

  /** `fd`: one that another thread has made. */
  constructor(fd = -1) {
    this.#libc = libc();
    this.#value = allocate(16);
    this.#value.writeUInt32LE(1, 0);
    this.#valueAt = addressOf(this.#value);
    this.fd = fd >= 0 ? fd : check(this.#libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 'eventfd');
    this.#open = true;
  }

  /** Makes it readable. */
  signal(): void {
    if (this.#open) this.#libc.write(this.fd, this.#valueAt, 8);
  }

  /** Makes it unreadable again; returns whether it had been signalled. */
  drain(): boolean {
    return this.#open && this.#libc.read(this.fd, this.#valueAt + 8, 8) === 8;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#libc.close(this.fd);
  }
}
