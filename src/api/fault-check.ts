import { VerbsError } from '../core/errors.ts';
import type { FaultOptions } from '../link/faults.ts';

const PROBABILITIES = ['loss', 'duplicate', 'reorder', 'corrupt'] as const;
const TIMES = ['reorderUs', 'delayUs', 'delayJitterUs'] as const;
const OTHERS = ['seed', 'direction'];

/** A fault that is misspelt, or given in percent, would quietly be no fault, or nothing but faults. */
export function checkFaults(faults: FaultOptions): void {
  const known: readonly string[] = [...PROBABILITIES, ...TIMES, ...OTHERS];
  const refuse = (message: string): never => {
    throw new VerbsError('openDevice', 'EINVAL', message);
  };
  for (const name of Object.keys(faults)) {
    if (!known.includes(name)) refuse(`fault "${name}" is unknown; there are ${known.join(', ')}`);
  }
  for (const name of PROBABILITIES) {
    const value = faults[name] ?? 0;
    if (!(value >= 0 && value <= 1)) refuse(`faults.${name} is ${value}: a probability is from 0 to 1`);
  }
  for (const name of TIMES) {
    const value = faults[name] ?? 0;
    if (!(value >= 0 && Number.isFinite(value))) refuse(`faults.${name} is ${value}: microseconds are not negative`);
  }
  if (faults.direction !== undefined && !['tx', 'rx', 'both'].includes(faults.direction)) {
    refuse(`faults.direction is "${faults.direction}"; there are tx, rx and both`);
  }
}
