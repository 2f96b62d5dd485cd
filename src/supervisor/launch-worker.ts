// The launching thread: puts the filter on itself alone, then starts the program, which inherits it. From then on what this
// thread opens is trapped as well: the service thread must be answering before the program is started.
import { parentPort, workerData } from 'node:worker_threads';
import { errno } from '../os/libc.ts';
import { installFilter } from '../os/seccomp.ts';
import { syscallTable } from '../os/syscalls.ts';
import { codeOf, messageOf } from './errors.ts';
import type { FdRange } from './fd-range.ts';
import { buildFilter } from './filter.ts';
import { type ProgramEnd, type ProgramStart, startProgram } from './start-program.ts';

export interface LaunchData {
  readonly start: ProgramStart;
  readonly range: FdRange;
}

/** In this order: the first or the last, then the others. */
export type LaunchMessage =
  | { readonly kind: 'installed'; readonly listener: number }
  | { readonly kind: 'started'; readonly pid: number }
  | { readonly kind: 'ended'; readonly end: ProgramEnd }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };

const { start, range } = workerData as LaunchData;
const tell = (message: LaunchMessage): void => parentPort!.postMessage(message);

/** The answer: the service thread listens. */
parentPort!.once('message', () => {
  const child = startProgram(start, (end) => tell({ kind: 'ended', end }));
  if (child.pid !== undefined) tell({ kind: 'started', pid: child.pid });
});

try {
  // errno() loads what later calls need.
  errno();
  tell({ kind: 'installed', listener: installFilter(buildFilter(syscallTable(), range)) });
} catch (error) {
  tell({ kind: 'failed', code: codeOf(error), message: messageOf(error) });
  parentPort!.close();
}
