// Another process's memory.
import { EPERM } from './constants.ts';
import { errno, type Libc, libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';

/** Addresses of user space, with four levels of page tables; memory above is only had by asking for it. */
const ADDRESS_SPACE = 2 ** 47;
const TWO_32 = 2 ** 32;

/**
 * All of a process's memory, addressed from 0 (process_vm_readv(2), which honours the protection of the process's pages).
 *
 * It is found by process id. Whoever made it learns by a pidfd that the process has ended and sets {@link alive}: from then on
 * no other process that is given the same id is touched.
 */
export class ProcessMemory {
  readonly pid: number;
  readonly byteLength = ADDRESS_SPACE;
  /** False once the process has ended: all access fails. */
  alive: boolean;
  /** The kernel refuses access (Yama, a process that may not be dumped); not that the memory is not there. */
  denied: boolean;
  readonly #libc: Libc;
  /** struct iovec twice: here and there. */
  readonly #iov: Uint32Array;
  readonly #local: number;
  readonly #remote: number;
  #known: ArrayBufferLike | null;
  #knownAt: number;

  constructor(pid: number) {
    this.pid = pid;
    this.alive = true;
    this.denied = false;
    this.#libc = libc();
    const iov = allocate(32);
    this.#iov = new Uint32Array(iov.buffer);
    this.#local = addressOf(iov);
    this.#remote = this.#local + 16;
    this.#known = null;
    this.#knownAt = 0;
  }

  /** Copies `length` bytes at `address` to `dst` at `at`; false when not all of them are there. */
  read(address: number, dst: Buffer, at: number, length: number): boolean {
    if (!this.#prepare(address, dst, at, length)) return false;
    return this.#done(this.#libc.process_vm_readv(this.pid, this.#local, 1, this.#remote, 1, 0), length);
  }

  /** Copies `length` bytes of `src` at `at` to `address`; false when not all of it may be written. */
  write(address: number, src: Buffer, at: number, length: number): boolean {
    if (!this.#prepare(address, src, at, length)) return false;
    return this.#done(this.#libc.process_vm_writev(this.pid, this.#local, 1, this.#remote, 1, 0), length);
  }

  #prepare(address: number, buf: Buffer, at: number, length: number): boolean {
    // Native code would read or write beyond the end of the buffer without a word.
    if (at < 0 || length < 0 || at + length > buf.length) throw new RangeError('a copy outside the buffer');
    if (!this.alive || !(address >= 0 && address + length <= ADDRESS_SPACE)) return false;
    const memory = buf.buffer;
    if (memory !== this.#known) {
      this.#knownAt = addressOf(memory as ArrayBuffer);
      this.#known = memory;
    }
    const iov = this.#iov;
    const local = this.#knownAt + buf.byteOffset + at;
    iov[0] = local >>> 0;
    iov[1] = local / TWO_32;
    iov[2] = length;
    iov[4] = address >>> 0;
    iov[5] = address / TWO_32;
    iov[6] = length;
    return true;
  }

  #done(copied: number, length: number): boolean {
    if (copied === length) return true;
    if (copied === -1 && errno() === EPERM) this.denied = true;
    return false;
  }
}
