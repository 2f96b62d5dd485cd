// What is begun before the command line is read, because it takes longest: the service thread of `run`.
import { RUN_VARIABLE } from '../supervisor/run-variable.ts';
import type { ServiceThread } from '../supervisor/service-thread.ts';

/** `command`: the first argument. Null: it needs no such thread, or not always (inside of a run it does not). */
export async function startEarly(command: string | undefined): Promise<ServiceThread | null> {
  if (command !== 'run' || process.env[RUN_VARIABLE] !== undefined) return null;
  const { ServiceThread } = await import('../supervisor/service-thread.ts');
  return new ServiceThread();
}
