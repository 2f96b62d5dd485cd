// Another process's memory.
import { readdirSync } from 'node:fs';
import { EPERM, ESRCH } from './constants.ts';
import { errno, type Libc, libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';
import { syscallTable } from './syscalls.ts';

/** Addresses of user space, with four levels of page tables; memory above is only had by asking for it. */
const ADDRESS_SPACE = 2 ** 47;
const TWO_32 = 2 ** 32;
/** Pieces of one {@link ProcessMemory.writeParts}. */
const MOST_PARTS = 64;
const IOVEC_WORDS = 4;
type Transfer = Libc['process_vm_readv'];
/** Threads that may be found ended before the next is no more looked for. */
const TRIES = 16;

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
  /** The errno of the access that failed last; 0: only a part was there. */
  #failed: number;
  readonly #libc: Libc;
  /** struct iovec: one there, and those here. */
  readonly #iov: Uint32Array;
  readonly #local: number;
  readonly #remote: number;
  #known: ArrayBufferLike | null;
  #knownAt: number;
  /** The thread that stands for the process: its first, which has the process's id, until that has ended. */
  #thread: number;

  constructor(pid: number) {
    this.pid = pid;
    this.alive = true;
    this.denied = false;
    this.#failed = 0;
    this.#libc = libc();
    const iov = allocate((1 + MOST_PARTS) * IOVEC_WORDS * 4);
    this.#iov = new Uint32Array(iov.buffer);
    this.#remote = addressOf(iov);
    this.#local = this.#remote + IOVEC_WORDS * 4;
    this.#known = null;
    this.#knownAt = 0;
    this.#thread = pid;
  }

  /** Copies `length` bytes at `address` to `dst` at `at`; false when not all of them are there. */
  read(address: number, dst: Buffer, at: number, length: number): boolean {
    if (!this.#prepare(address, length, dst)) return false;
    this.#part(0, dst, at, length);
    return this.#transfer(this.#libc.process_vm_readv, this.#local, 1, this.#remote, 1, length);
  }

  /** Copies `length` bytes of `src` at `at` to `address`; false when not all of it may be written. */
  write(address: number, src: Buffer, at: number, length: number): boolean {
    if (!this.#prepare(address, length, src)) return false;
    this.#part(0, src, at, length);
    return this.#transfer(this.#libc.process_vm_writev, this.#local, 1, this.#remote, 1, length);
  }

  /** The same for `count` pieces of `src`, `lengths[i]` bytes at `ats[i]`, which go to `address` one behind the other. */
  writeParts(address: number, src: Buffer, ats: Int32Array, lengths: Int32Array, count: number): boolean {
    if (count > MOST_PARTS) throw new RangeError(`${count} pieces; there may be ${MOST_PARTS}`);
    let length = 0;
    for (let i = 0; i < count; i++) length += lengths[i];
    if (!this.#prepare(address, length, src)) return false;
    for (let i = 0; i < count; i++) this.#part(i, src, ats[i], lengths[i]);
    return this.#transfer(this.#libc.process_vm_writev, this.#local, count, this.#remote, 1, length);
  }

  /** Copies the first bytes of `src` to several places, `lengths[i]` of them to `addresses[i]`. */
  scatter(src: Buffer, addresses: readonly number[], lengths: readonly number[]): boolean {
    const count = addresses.length;
    if (count > MOST_PARTS) throw new RangeError(`${count} places; there may be ${MOST_PARTS}`);
    let length = 0;
    for (let i = 0; i < count; i++) {
      if (!this.#prepare(addresses[i], lengths[i], src)) return false;
      length += lengths[i];
    }
    // The other way round than usual: the one piece here is where the one there is elsewhere, the places are where the pieces are.
    for (let i = 0; i < count; i++) setIovec(this.#iov, (1 + i) * IOVEC_WORDS, addresses[i], lengths[i]);
    if (length > src.length) throw new RangeError('a copy outside the buffer');
    setIovec(this.#iov, 0, this.#knownAt + src.byteOffset, length);
    return this.#transfer(this.#libc.process_vm_writev, this.#remote, 1, this.#local, count, length);
  }

  /** Calls process_vm_readv or process_vm_writev; `length` bytes shall be copied. */
  #transfer(call: Transfer, local: number, locals: number, remote: number, remotes: number, length: number): boolean {
    let tries = TRIES;
    do {
      if (this.#done(call(this.#thread, local, locals, remote, remotes, 0), length)) return true;
    } while (--tries > 0 && this.#otherThread());
    return false;
  }

  /** What is there; false when nothing can be. */
  #prepare(address: number, length: number, buf: Buffer): boolean {
    if (!this.alive || !(address >= 0 && address + length <= ADDRESS_SPACE)) return false;
    // A thread's id may be another process's as soon as the thread has ended; the process's own, never while this is alive.
    if (this.#thread !== this.pid && !this.#hasThread()) this.#thread = this.pid;
    const memory = buf.buffer;
    if (memory !== this.#known) {
      this.#knownAt = addressOf(memory as ArrayBuffer);
      this.#known = memory;
    }
    setIovec(this.#iov, 0, address, length);
    return true;
  }

  /** Piece `i` of what is here. */
  #part(i: number, buf: Buffer, at: number, length: number): void {
    // Native code would read or write beyond the end of the buffer without a word.
    if (at < 0 || length < 0 || at + length > buf.length) throw new RangeError('a copy outside the buffer');
    setIovec(this.#iov, (1 + i) * IOVEC_WORDS, this.#knownAt + buf.byteOffset + at, length);
  }

  #hasThread(): boolean {
    return this.#libc.syscall(syscallTable().nr.tgkill, this.pid, this.#thread, 0, 0, 0, 0) === 0;
  }

  #done(copied: number, length: number): boolean {
    if (copied === length) return true;
    this.#failed = copied === -1 ? errno() : 0;
    if (this.#failed === EPERM) this.denied = true;
    return false;
  }

  /**
   * A process whose first thread has ended while others run is not found by its id any more, but by theirs. False: that is not
   * why the access failed.
   */
  #otherThread(): boolean {
    if (this.#failed !== ESRCH) return false;
    try {
      for (const name of readdirSync(`/proc/${this.pid}/task`)) {
        const tid = Number(name);
        if (tid === this.pid || tid === this.#thread) continue;
        this.#thread = tid;
        return true;
      }
    } catch {
      // The process has ended.
    }
    return false;
  }
}

/** A struct iovec from word `at` on; lengths here are below 2^32. */
function setIovec(words: Uint32Array, at: number, address: number, length: number): void {
  words[at] = address >>> 0;
  words[at + 1] = address / TWO_32;
  words[at + 2] = length;
}
