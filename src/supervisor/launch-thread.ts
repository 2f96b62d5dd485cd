// The launching thread, as the main thread sees it.
import { closeSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { messageOf, RunError } from './errors.ts';
import type { LaunchData, LaunchMessage } from './launch-worker.ts';
import { whyNoListener } from './refusal.ts';
import type { ProgramEnd } from './start-program.ts';
import { startWorker } from './start-worker.ts';

export class LaunchThread {
  readonly listener: Promise<number>;
  readonly ended: Promise<ProgramEnd>;
  /** The program's process id; 0 before it is started. */
  pid = 0;
  /** It has ended, and has been waited for. */
  over = false;
  private readonly worker: Worker;

  constructor(data: LaunchData) {
    this.worker = startWorker('launch-worker', data);
    const listener = Promise.withResolvers<number>();
    const ended = Promise.withResolvers<ProgramEnd>();
    this.listener = listener.promise;
    this.ended = ended.promise;
    listener.promise.catch(() => {});
    ended.promise.catch(() => {});
    this.worker.on('message', (message: LaunchMessage) => {
      switch (message.kind) {
        case 'installed':
          listener.resolve(message.listener);
          break;
        case 'failed':
          listener.reject(new RunError(message.code === '' ? message.message : whyNoListener(message.code)));
          break;
        case 'started':
          this.pid = message.pid;
          break;
        case 'ended':
          this.over = true;
          ended.resolve(message.end);
      }
    });
    this.worker.on('error', (error) => {
      const failure = new RunError(`the launching thread has failed: ${(error as Error).stack ?? messageOf(error)}`);
      listener.reject(failure);
      ended.reject(failure);
    });
  }

  go(): void {
    this.worker.postMessage('go');
  }

  /**
   * The thread opens files when it ends (Node's cache of compiled code): with a listener that is open and that nobody answers
   * at, it would wait for ever. Of one that is closed Linux says ENOSYS.
   */
  async stop(closeListener: boolean): Promise<void> {
    const listener = closeListener ? await this.listener.catch(() => null) : null;
    if (listener !== null) closeSync(listener);
    await this.worker.terminate();
  }
}
