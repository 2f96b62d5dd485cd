import { EPERM } from './constants.ts';
import { errno, type Libc, libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';

const PATH_MAX = 4096;
const PAGE = 4096;
/** Most paths are shorter than this. */
const FIRST = 256;
const TWO_32 = 2 ** 32;

/** Reads paths out of other processes: a thread's id will do. */
export class PathReader {
  /** The path read last, from 0 on. */
  readonly buf: Buffer;
  /** The last read was refused, not impossible. */
  denied: boolean;
  readonly #libc: Libc;
  readonly #iov: Uint32Array;
  readonly #iovAt: number;
  readonly #bufAt: number;

  constructor() {
    this.buf = allocate(PATH_MAX);
    this.denied = false;
    this.#libc = libc();
    const iov = allocate(32);
    this.#iov = new Uint32Array(iov.buffer);
    this.#iovAt = addressOf(iov);
    this.#bufAt = addressOf(this.buf);
  }

  /** The length of the path at `address` of thread `tid`, -1 when there is none (no memory, no end). */
  read(tid: number, address: number): number {
    const { buf } = this;
    this.denied = false;
    let have = 0;
    while (have < PATH_MAX) {
      const at = address + have;
      // Never across a page: the next may not be there, and the path may end before.
      const chunk = Math.min(PAGE - (at % PAGE), PATH_MAX - have, have === 0 ? FIRST : PATH_MAX);
      if (!this.#copy(tid, at, have, chunk)) return -1;
      for (const end = have + chunk; have < end; have++) if (buf[have] === 0) return have;
    }
    return -1;
  }

  #copy(tid: number, address: number, to: number, length: number): boolean {
    const iov = this.#iov;
    const local = this.#bufAt + to;
    iov[0] = local >>> 0;
    iov[1] = local / TWO_32;
    iov[2] = length;
    iov[4] = address >>> 0;
    iov[5] = address / TWO_32;
    iov[6] = length;
    const copied = this.#libc.process_vm_readv(tid, this.#iovAt, 1, this.#iovAt + 16, 1, 0);
    if (copied === -1) this.denied = errno() === EPERM;
    return copied === length;
  }
}
