// Seccomp user notification (seccomp_unotify(2)): system calls of other processes that this one answers.
import * as C from './constants.ts';
import { SysError } from './errors.ts';
import { errno, type Libc, libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';
import { syscallTable } from './syscalls.ts';

const TWO_32 = 2 ** 32;
/** struct seccomp_notif: id, pid, flags, then struct seccomp_data: nr, arch, instruction pointer, six arguments. */
const REQUEST_BYTES = 80;
const PID = 2;
const NR = 4;
const ARGS = 8;

/**
 * Puts a filter on the calling thread and all that it starts from now on; returns the descriptor that its notifications come
 * to. It cannot be taken off again.
 *
 * @throws {SysError} as seccomp(2).
 */
export function installFilter(program: Buffer): number {
  const { prctl, syscall } = libc();
  const { nr } = syscallTable();
  // Without privileges a filter needs this; and a set-user-ID program could not be served anyway.
  if (prctl(C.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) !== 0) throw new SysError(errno(), 'prctl');
  const copy = allocate(program.length);
  program.copy(copy);
  const fprog = allocate(16);
  fprog.writeUInt16LE(program.length / 8, 0);
  fprog.writeBigUInt64LE(BigInt(addressOf(copy)), 8);
  const install = (flags: number): number =>
    syscall(nr.seccomp, C.SECCOMP_SET_MODE_FILTER, flags, addressOf(fprog), 0, 0, 0);
  // Linux 5.19: signals that do not kill wait until a call that was taken up has been answered. Before, a call that a signal
  // interrupts is made, and so answered, twice.
  let fd = install(C.SECCOMP_FILTER_FLAG_NEW_LISTENER | C.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
  if (fd === -1 && errno() === C.EINVAL) fd = install(C.SECCOMP_FILTER_FLAG_NEW_LISTENER);
  if (fd === -1) throw new SysError(errno(), 'seccomp');
  return fd;
}

/** A call that is answered later, while others are. */
export interface DeferredCall {
  /** Does it still wait? False: its thread has died. */
  readonly waiting: boolean;
  /** The call returns `value`, or fails when that is negative. */
  answer(value: number): void;
}

/** The listener's side: one call at a time is received, and answered. */
export class SeccompListener {
  readonly fd: number;
  /** What the call was answered with: its result, or a negative errno. */
  result: number;
  /** Whether the program made the call itself in the end. */
  continued: boolean;
  readonly #libc: Libc;
  readonly #request: Uint32Array;
  readonly #requestAt: number;
  readonly #response: Uint32Array;
  readonly #responseAt: number;
  readonly #addFd: Uint32Array;
  readonly #addFdAt: number;

  constructor(fd: number) {
    this.fd = fd;
    this.result = 0;
    this.continued = false;
    this.#libc = libc();
    const buf = allocate(REQUEST_BYTES + 24 + 24);
    this.#requestAt = addressOf(buf);
    this.#responseAt = this.#requestAt + REQUEST_BYTES;
    this.#addFdAt = this.#responseAt + 24;
    this.#request = new Uint32Array(buf.buffer, 0, REQUEST_BYTES / 4);
    this.#response = new Uint32Array(buf.buffer, REQUEST_BYTES, 6);
    this.#addFd = new Uint32Array(buf.buffer, REQUEST_BYTES + 24, 6);
    // Linux 6.6; without it a call takes a little longer where two CPUs are far from each other.
    this.#libc.ioctl(fd, C.SECCOMP_IOCTL_NOTIF_SET_FLAGS, C.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
  }

  /** Takes up the next call, which must be there; false when it was given up meanwhile (its thread was killed). */
  receive(): boolean {
    // The kernel insists on zeroes.
    for (let i = 0; i < REQUEST_BYTES / 4; i++) this.#request[i] = 0;
    this.result = 0;
    this.continued = false;
    return this.#libc.ioctl(this.fd, C.SECCOMP_IOCTL_NOTIF_RECV, this.#requestAt) === 0;
  }

  /** The calling thread, as this process's pid namespace numbers it; 0 when it is outside. */
  get tid(): number {
    return this.#request[PID];
  }

  get nr(): number {
    return this.#request[NR];
  }

  /** Argument `i` as an address or length. */
  arg(i: number): number {
    const at = ARGS + 2 * i;
    return this.#request[at] + this.#request[at + 1] * TWO_32;
  }

  /** Argument `i` as an int. */
  int(i: number): number {
    return this.#request[ARGS + 2 * i] | 0;
  }

  /** Is the call still waiting? False: its thread has died, and its id may be another's. */
  valid(): boolean {
    return this.#libc.ioctl(this.fd, C.SECCOMP_IOCTL_NOTIF_ID_VALID, this.#requestAt) === 0;
  }

  /** The call returns `value`. */
  succeed(value = 0): void {
    this.result = value;
    this.#send(value, 0, 0);
  }

  /** The call fails. */
  fail(error: number): void {
    this.result = -error;
    this.#send(0, error, 0);
  }

  /** The kernel carries the call out. */
  proceed(): void {
    this.continued = true;
    this.#send(0, 0, C.SECCOMP_USER_NOTIF_FLAG_CONTINUE);
  }

  /** Takes the call down, to be answered later; the next one may be received meanwhile. */
  defer(): DeferredCall {
    // An id of its own: that of another call may be the current one by then.
    const id = allocate(8);
    const words = new Uint32Array(id.buffer, id.byteOffset, 2);
    words.set(this.#request.subarray(0, 2));
    const at = addressOf(id);
    const waiting = (): boolean => this.#libc.ioctl(this.fd, C.SECCOMP_IOCTL_NOTIF_ID_VALID, at) === 0;
    return {
      get waiting(): boolean {
        return waiting();
      },
      answer: (value) => this.#sendTo(words, Math.max(0, value), Math.max(0, -value), 0),
    };
  }

  /** Gives the process a descriptor of the file behind `fd`; its number there, or a negative errno. */
  addFd(fd: number, cloexec: boolean): number {
    return this.#add(fd, 0, 0, cloexec);
  }

  /** The same, which is the call's result too: no other answer is needed unless it fails. With `slot` >= 0 the number is that. */
  succeedWithFd(fd: number, slot: number, cloexec: boolean): number {
    const flags = C.SECCOMP_ADDFD_FLAG_SEND | (slot >= 0 ? C.SECCOMP_ADDFD_FLAG_SETFD : 0);
    const result = this.#add(fd, flags, Math.max(0, slot), cloexec);
    if (result >= 0) this.result = result;
    return result;
  }

  close(): void {
    this.#libc.close(this.fd);
  }

  #add(fd: number, flags: number, slot: number, cloexec: boolean): number {
    const add = this.#addFd;
    add[0] = this.#request[0];
    add[1] = this.#request[1];
    add[2] = flags;
    add[3] = fd;
    add[4] = slot;
    add[5] = cloexec ? C.O_CLOEXEC : 0;
    const result = this.#libc.ioctl(this.fd, C.SECCOMP_IOCTL_NOTIF_ADDFD, this.#addFdAt);
    return result === -1 ? -errno() : result;
  }

  // It fails with ENOENT when the thread was killed: then nobody waits for an answer.
  #send(value: number, error: number, flags: number): void {
    this.#sendTo(this.#request, value, error, flags);
  }

  /** `id`: the call's, in two words. */
  #sendTo(id: Uint32Array, value: number, error: number, flags: number): void {
    const response = this.#response;
    response[0] = id[0];
    response[1] = id[1];
    response[2] = value;
    response[3] = value < 0 ? 0xffffffff : value / TWO_32;
    response[4] = -error;
    response[5] = flags;
    while (this.#libc.ioctl(this.fd, C.SECCOMP_IOCTL_NOTIF_SEND, this.#responseAt) === -1 && errno() === C.EINTR);
  }
}
