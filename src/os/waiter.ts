// Sleeping until a descriptor is readable, without stopping the thread's event loop.
import type { node } from 'koffi';
import { ffi, requireLinux } from './ffi.ts';

type PollHandle = node.PollHandle;

const READABLE = { readable: true };

/**
 * Calls `wake` once, from the event loop, after {@link arm}: when one of its descriptors is readable or the time is over.
 *
 * The descriptors are watched by the event loop itself (libuv's uv_poll, which koffi exposes), so there is no second thread
 * to hop from. Measured from sendmsg in one thread to the callback in another that sleeps, p50 on a 2-core machine: this 10 µs;
 * a worker in epoll_wait with Atomics.waitAsync 34 µs, with postMessage 60 µs; koffi's asynchronous epoll_wait 69 µs.
 *
 * It does not keep the process alive unless {@link ref} is called. Close it before the descriptors it watches.
 */
export class Waiter {
  readonly #wake: () => void;
  readonly #onReadable: () => void;
  readonly #onTimeout: () => void;
  readonly #handles: Map<number, PollHandle>;
  #timer: NodeJS.Timeout | null;
  #armed: boolean;
  #referenced: boolean;
  #closed: boolean;

  constructor(fds: readonly number[], wake: () => void) {
    requireLinux('Waiter');
    this.#wake = wake;
    this.#onReadable = () => this.#fire();
    this.#onTimeout = () => {
      this.#timer = null;
      this.#fire();
    };
    this.#handles = new Map();
    this.#timer = null;
    this.#armed = false;
    this.#referenced = false;
    this.#closed = false;
    for (const fd of fds) this.add(fd);
  }

  /** Whether `wake` will be called. */
  get armed(): boolean {
    return this.#armed;
  }

  /** Watches one more descriptor; no two waiters of one thread can watch the same. */
  add(fd: number): void {
    if (this.#closed || this.#handles.has(fd)) return;
    const handle = ffi().node.poll(fd, READABLE, this.#onReadable);
    if (!this.#armed) handle.stop();
    if (!this.#referenced) handle.unref();
    this.#handles.set(fd, handle);
  }

  /** Stops watching a descriptor: call it before the descriptor is closed. */
  remove(fd: number): void {
    this.#handles.get(fd)?.close();
    this.#handles.delete(fd);
  }

  /** Calls `wake` once, when a descriptor is readable (now, if one is already) or after `timeoutMs`; arming again only changes the time. */
  arm(timeoutMs = Number.POSITIVE_INFINITY): void {
    if (this.#closed) return;
    this.#clearTimer();
    if (timeoutMs < 2 ** 31) {
      this.#timer = setTimeout(this.#onTimeout, timeoutMs);
      if (!this.#referenced) this.#timer.unref();
    }
    if (this.#armed) return;
    this.#armed = true;
    for (const handle of this.#handles.values()) handle.start(READABLE, this.#onReadable);
  }

  disarm(): void {
    this.#clearTimer();
    if (!this.#armed) return;
    this.#armed = false;
    for (const handle of this.#handles.values()) handle.stop();
  }

  /** Keeps the process alive while armed. */
  ref(): void {
    this.#referenced = true;
    this.#timer?.ref();
    for (const handle of this.#handles.values()) handle.ref();
  }

  unref(): void {
    this.#referenced = false;
    this.#timer?.unref();
    for (const handle of this.#handles.values()) handle.unref();
  }

  close(): void {
    if (this.#closed) return;
    this.disarm();
    this.#closed = true;
    for (const handle of this.#handles.values()) handle.close();
    this.#handles.clear();
  }

  #fire(): void {
    if (!this.#armed) return;
    this.disarm();
    this.#wake();
  }

  #clearTimer(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
  }
}
