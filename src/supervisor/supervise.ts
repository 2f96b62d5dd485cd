// `infinitive run`: the main thread's part. It starts the service thread and the launching thread, passes signals on, and when
// the program has ended, ends what is left.
import { closeSync, rmSync } from 'node:fs';
import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { AssembleOptions } from '../api/assemble.ts';
import { becomeSubreaper, reapOrphans } from '../os/children.ts';
import { EventFd } from '../os/eventfd.ts';
import { serveControl } from './control.ts';
import { endDescendants } from './descendants.ts';
import { messageOf, RunError } from './errors.ts';
import { type FdRange, reservedRange } from './fd-range.ts';
import { findProgram } from './find-program.ts';
import type { LaunchData, LaunchMessage } from './launch-worker.ts';
import { whyNoListener } from './refusal.ts';
import { RUN_VARIABLE } from './run-variable.ts';
import type { ServiceData, ServiceMessage, ServiceRequest, ServiceSnapshot } from './service-worker.ts';
import { passSignals } from './signals.ts';
import { openFilesOfUser, type ProgramEnd } from './start-program.ts';
import { makeTreeRoot } from './tree-root.ts';

export interface SuperviseOptions {
  /** The program and its arguments. */
  readonly command: readonly string[];
  readonly device: AssembleOptions;
  /** Each trapped call on stderr. */
  readonly trace: boolean;
}

/**
 * Runs a program that has an RDMA device; its exit code, 128 and the signal's number if a signal ended it.
 *
 * A supervisor that is killed (SIGKILL) can end nobody: its programs run on, and their calls that would be trapped fail with
 * ENOSYS, as Linux has it for a listener that is gone.
 *
 * @throws {RunError}
 */
export async function supervise(options: SuperviseOptions): Promise<number> {
  const { command } = options;
  const file = findProgram(command[0], process.env.PATH);
  const root = makeTreeRoot();
  // First: it takes longest to load, and the rest is done meanwhile.
  const service = new ServiceThread({ device: options.device, root, trace: options.trace });
  let launch: LaunchThread | undefined;
  try {
    const openFiles = openFilesOfUser();
    const range = reservedRange(openFiles);
    const env = { ...process.env, [RUN_VARIABLE]: String(process.pid) };
    launch = new LaunchThread({ start: { file, argv: command, env, openFiles }, range });
    becomeSubreaper();
    await service.ready;
    await service.listen(await launch.listener, range);
    return await programOf(launch, service, command);
  } finally {
    const stopping = service.stop();
    rmSync(root, { recursive: true, force: true });
    await launch?.stop(!(await stopping));
  }
}

/** Starts the program, for which all is ready, and ends what it has left running; its exit code. */
async function programOf(launch: LaunchThread, service: ServiceThread, command: readonly string[]): Promise<number> {
  const control = await answerQuestions(service, command);
  const stopSignals = passSignals(() => launch.pid);
  // The program is waited for by libuv; until its process id is known any child may be it (one that fails to execute, too).
  const reap = (): void => reapOrphans((pid) => !launch.over && (launch.pid === 0 || pid === launch.pid));
  process.on('SIGCHLD', reap);
  try {
    launch.go();
    service.startClock();
    const end = await Promise.race([launch.ended, service.broken]).finally(() => endDescendants(reap));
    if (end.error !== null) throw new RunError(end.error, end.exitCode);
    return end.exitCode;
  } finally {
    process.off('SIGCHLD', reap);
    stopSignals();
    control?.close();
  }
}

/** For `infinitive res` and `infinitive stat`; a run works without them. */
async function answerQuestions(service: ServiceThread, command: readonly string[]): Promise<{ close(): void } | null> {
  try {
    return await serveControl(async () => ({
      pid: process.pid,
      command,
      uptime: process.uptime(),
      ...(await service.snapshot()),
    }));
  } catch {
    return null;
  }
}

/** A file of this folder, as it is in the sources and in the package. */
const workerFile = (name: string): URL =>
  new URL(`./${name}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** Threads do not share the cache of compiled code by themselves; with it they start three times as fast. */
function startWorker(name: string, workerData: unknown): Worker {
  const cache = getCompileCacheDir?.();
  // The directory's last part is Node's version, which Node adds.
  const env = cache === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(cache) };
  return new Worker(workerFile(name), { workerData, env });
}

class ServiceThread {
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

  constructor(data: ServiceData) {
    this.worker = startWorker('service-worker', data);
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

class LaunchThread {
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
