// The service thread, as the main thread sees it.
import type { Worker } from 'node:worker_threads';
import { EventFd } from '../os/eventfd.ts';
import { messageOf, RunError } from './errors.ts';
import type { FdRange } from './fd-range.ts';
import type { ServiceData, ServiceMessage, ServiceRequest, ServiceSnapshot } from './service-worker.ts';
import { startWorker } from './start-worker.ts';

export class ServiceThread {
  readonly ready: Promise<void>;
  /** Rejects when the thread dies of an error. */
  readonly broken: Promise<never>;
  private readonly worker: Worker;
  private readonly serving: Promise<void>;
  private readonly stopped: Promise<void>;
  private readonly questions = new Map<number, (snapshot: ServiceSnapshot) => void>();
  private control: EventFd | null = null;
  /** Seconds after the start at which it wants to raise events that are made on purpose. */
  private events: readonly number[] = [];
  private readonly timers: NodeJS.Timeout[] = [];
  private asked = 0;
  private listening = false;
  /** It has said that it has stopped. */
  private orderly = false;

  /** It loads its code, and waits for {@link open}; until then the process does not wait for it. */
  constructor() {
    this.worker = startWorker('service-worker');
    const ready = Promise.withResolvers<void>();
    const serving = Promise.withResolvers<void>();
    const stopped = Promise.withResolvers<void>();
    const broken = Promise.withResolvers<never>();
    this.ready = ready.promise;
    this.serving = serving.promise;
    this.stopped = stopped.promise;
    this.broken = broken.promise;
    broken.promise.catch(() => {});
    ready.promise.catch(() => {});
    this.worker.on('message', (message: ServiceMessage) => {
      switch (message.kind) {
        case 'ready':
          this.control = new EventFd(message.control);
          this.events = message.events;
          ready.resolve();
          break;
        case 'failed':
          ready.reject(new RunError(message.message));
          break;
        case 'serving':
          serving.resolve();
          break;
        case 'snapshot':
          this.questions.get(message.id)?.(message.snapshot);
          this.questions.delete(message.id);
          break;
        case 'stopped':
          this.orderly = true;
          stopped.resolve();
      }
    });
    this.worker.on('error', (error) => {
      const failure = new RunError(`the service thread has failed: ${(error as Error).stack ?? messageOf(error)}`);
      ready.reject(failure);
      broken.reject(failure);
      stopped.resolve();
    });
    this.worker.on('exit', () => stopped.resolve());
    // After the listeners, which would have the process wait.
    this.worker.unref();
  }

  /** Opens the device: {@link ready}. */
  open(data: ServiceData): void {
    this.worker.ref();
    this.request({ kind: 'open', data });
  }

  async listen(listener: number, range: FdRange): Promise<void> {
    this.listening = true;
    this.request({ kind: 'listen', listener, range });
    await Promise.race([this.serving, this.broken]);
  }

  /** The service thread sleeps in epoll and has no timers of its own. */
  startClock(): void {
    for (const [index, seconds] of this.events.entries()) {
      this.timers.push(setTimeout(() => this.request({ kind: 'raise', index }), seconds * 1000));
    }
  }

  snapshot(): Promise<ServiceSnapshot> {
    return new Promise((resolve) => {
      const id = ++this.asked;
      this.questions.set(id, resolve);
      this.request({ kind: 'snapshot', id });
    });
  }

  /** Whether it had a listener and has closed it. */
  async stop(): Promise<boolean> {
    for (const timer of this.timers) clearTimeout(timer);
    this.request({ kind: 'stop' });
    if (this.control !== null) await this.stopped;
    await this.worker.terminate();
    return this.listening && this.orderly;
  }

  private request(request: ServiceRequest): void {
    this.worker.postMessage(request);
    this.control?.signal();
  }
}
