import { fstatSync } from 'node:fs';
import { F_SETFL, O_CLOEXEC, O_NONBLOCK } from './constants.ts';
import { check, type Libc, libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';

/**
 * A pipe that is readable while a flag is raised, for others to poll: they get the read end, opened anew through
 * /proc/self/fd/{@link fd}. They may empty it, and mislead nobody but themselves.
 */
export class FlagPipe {
  /** The read end. */
  readonly fd: number;
  /** `pipe:[INODE]`, as /proc shows any descriptor of it. */
  readonly name: string;
  readonly #writeEnd: number;
  readonly #libc: Libc;
  readonly #byte: Buffer;
  readonly #at: number;
  #raised: boolean;
  #open: boolean;

  constructor() {
    this.#libc = libc();
    const fds = allocate(8);
    check(this.#libc.pipe2(addressOf(fds), O_CLOEXEC), 'pipe2');
    this.fd = fds.readInt32LE(0);
    this.#writeEnd = fds.readInt32LE(4);
    this.#byte = allocate(8);
    this.#at = addressOf(this.#byte);
    this.#raised = false;
    this.#open = true;
    check(this.#libc.fcntl(this.fd, F_SETFL, O_NONBLOCK), 'fcntl');
    check(this.#libc.fcntl(this.#writeEnd, F_SETFL, O_NONBLOCK), 'fcntl');
    this.name = `pipe:[${fstatSync(this.fd).ino}]`;
  }

  set(raised: boolean): void {
    if (raised === this.#raised || !this.#open) return;
    this.#raised = raised;
    if (raised) this.#libc.write(this.#writeEnd, this.#at, 1);
    else this.#libc.read(this.fd, this.#at, 8);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#libc.close(this.fd);
    this.#libc.close(this.#writeEnd);
  }
}
