// Reads V8's CPU profiles: which functions the time was spent in.
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

export interface SelfTime {
  /** Share of the time that the process was busy, 0 to 1. */
  readonly share: number;
  readonly where: string;
}

/** Time that no code of the process took. */
const IDLE = '(idle)';

/** The `n` functions with the largest self time. What they call natively (system calls through FFI) counts as theirs. */
export function topOf(profile: CpuProfile, n: number): SelfTime[] {
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const self = new Map<string, number>();
  let total = 0;
  profile.samples.forEach((id, i) => {
    const name = names.get(id) ?? '?';
    if (name === IDLE) return;
    const us = Math.max(0, profile.timeDeltas[i]);
    self.set(name, (self.get(name) ?? 0) + us);
    total += us;
  });
  return [...self]
    .sort((a, b) => b[1] - a[1])
    .slice(0, n)
    .map(([where, us]) => ({ share: us / total, where }));
}

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName || '(anonymous)';
  if (url === '') return name;
  const path = url.startsWith('file:') ? fileURLToPath(url) : url;
  // V8 counts lines from 0.
  return `${name} ${join(basename(dirname(path)), basename(path))}:${lineNumber + 1}`;
}
