// Which running `infinitive run` a command is about.
import { askRun, listRuns, type Snapshot } from '../../supervisor/control.ts';
import { CliError, usageError } from '../errors.ts';

/** Snapshots of the run with process id `pid`, or of all runs of this user. */
export async function snapshots(pid: number | undefined): Promise<Snapshot[]> {
  const runs = listRuns();
  if (runs.length === 0) throw new CliError('no "infinitive run" of yours is running here');
  if (pid === undefined) return Promise.all(runs.map(askRun));
  const run = runs.find((one) => one.pid === pid);
  if (run === undefined) {
    throw usageError(`--run ${pid}: no run has this process id; there are ${runs.map((one) => one.pid).join(', ')}`);
  }
  return [await askRun(run)];
}
