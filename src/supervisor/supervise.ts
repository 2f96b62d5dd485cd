// `infinitive run`: the main thread's part. It has the service thread and the launching thread, passes signals on, and when
// the program has ended, ends what is left.
import { rmSync } from 'node:fs';
import type { AssembleOptions } from '../api/assemble.ts';
import { becomeSubreaper, reapOrphans } from '../os/children.ts';
import { serveControl } from './control.ts';
import { endDescendants } from './descendants.ts';
import { RunError } from './errors.ts';
import { reservedRange } from './fd-range.ts';
import { findProgram } from './find-program.ts';
import { LaunchThread } from './launch-thread.ts';
import { RUN_VARIABLE } from './run-variable.ts';
import type { ServiceThread } from './service-thread.ts';
import { passSignals } from './signals.ts';
import { openFilesOfUser } from './start-program.ts';
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
 * `service` is a thread that has been started and not used yet: it loads while the command line is read.
 *
 * A supervisor that is killed (SIGKILL) can end nobody: its programs run on, and their calls that would be trapped fail with
 * ENOSYS, as Linux has it for a listener that is gone.
 *
 * @throws {RunError}
 */
export async function supervise(service: ServiceThread, options: SuperviseOptions): Promise<number> {
  const { command } = options;
  const file = findProgram(command[0], process.env.PATH);
  const root = makeTreeRoot();
  // First, because it takes longest.
  service.open({ device: options.device, root, trace: options.trace });
  let launch: LaunchThread | undefined;
  let control: ReturnType<typeof answerQuestions> | undefined;
  try {
    const openFiles = openFilesOfUser();
    const range = reservedRange(openFiles);
    const env = { ...process.env, [RUN_VARIABLE]: String(process.pid) };
    launch = new LaunchThread({ start: { file, argv: command, env, openFiles }, range });
    becomeSubreaper();
    control = answerQuestions(service, command);
    await service.ready;
    await service.listen(await launch.listener, range);
    return await programOf(launch, service);
  } finally {
    (await control)?.close();
    const stopping = service.stop();
    rmSync(root, { recursive: true, force: true });
    await launch?.stop(!(await stopping));
  }
}

/** Starts the program, for which all is ready, and ends what it has left running; its exit code. */
async function programOf(launch: LaunchThread, service: ServiceThread): Promise<number> {
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
