import { EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLLHUP, EPOLLIN } from './constants.ts';
import { check, type Libc, libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';

const MAX_EVENTS = 16;

/** A set of descriptors that can be asked, in one system call, which of them are readable (level-triggered). */
export class Epoll {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #events: Buffer;
  readonly #eventsAt: number;
  /** struct epoll_event is packed on x86-64 only. */
  readonly #size: number;
  readonly #dataOffset: number;
  #open: boolean;

  constructor() {
    this.#libc = libc();
    this.#size = process.arch === 'x64' ? 12 : 16;
    this.#dataOffset = this.#size - 8;
    this.#events = allocate(MAX_EVENTS * this.#size);
    this.#eventsAt = addressOf(this.#events);
    this.fd = check(this.#libc.epoll_create1(EPOLL_CLOEXEC), 'epoll_create1');
    this.#open = true;
  }

  /** Watches `fd`; {@link tag} gives `tag` back when it is readable. */
  add(fd: number, tag: number): void {
    this.#events.writeUInt32LE(EPOLLIN, 0);
    this.#events.writeUInt32LE(tag, this.#dataOffset);
    this.#events.writeUInt32LE(0, this.#dataOffset + 4);
    check(this.#libc.epoll_ctl(this.fd, EPOLL_CTL_ADD, fd, this.#eventsAt), 'epoll_ctl');
  }

  remove(fd: number): void {
    check(this.#libc.epoll_ctl(this.fd, EPOLL_CTL_DEL, fd, this.#eventsAt), 'epoll_ctl');
  }

  /** How many are readable, after at most `timeoutMs` (0: now, -1: for ever); 0 too when a signal interrupted. */
  wait(timeoutMs: number): number {
    const count = this.#libc.epoll_wait(this.fd, this.#eventsAt, MAX_EVENTS, timeoutMs);
    return count > 0 ? count : 0;
  }

  /** The tag of the readable descriptor with index `i` of the last {@link wait}. */
  tag(i: number): number {
    return this.#events.readUInt32LE(i * this.#size + this.#dataOffset);
  }

  /** Whether it is readable; it may be told of for an error, or because {@link hungUp}, as well. */
  readable(i: number): boolean {
    return (this.#eventsOf(i) & EPOLLIN) !== 0;
  }

  /** Whether its other end is gone. */
  hungUp(i: number): boolean {
    return (this.#eventsOf(i) & EPOLLHUP) !== 0;
  }

  #eventsOf(i: number): number {
    return this.#events.readUInt32LE(i * this.#size);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#libc.close(this.fd);
  }
}
