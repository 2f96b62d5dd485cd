// The processes that a run has started and left.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasChildren } from '../os/children.ts';

/** After the program has ended: for the others to end by themselves, and then after SIGTERM, in milliseconds. */
const GRACE_MS = 300;
const TERM_MS = 2000;
const LOOK_MS = 10;

interface Process {
  readonly parent: number;
  readonly dead: boolean;
}

/** Living descendants of this process: orphans among them, because it is a subreaper. */
export function descendants(): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const found = Number.isInteger(pid) ? processOf(pid) : null;
    if (found === null) continue;
    const list = children.get(found.parent);
    if (list === undefined) children.set(found.parent, [pid]);
    else list.push(pid);
  }
  const all: number[] = [];
  const visit = (parent: number): void => {
    for (const pid of children.get(parent) ?? []) {
      all.push(pid);
      visit(pid);
    }
  };
  visit(process.pid);
  return all.filter((pid) => processOf(pid)?.dead === false);
}

function processOf(pid: number): Process | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name before may have blanks and brackets of its own.
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { parent: Number(parent), dead: state === 'Z' || state === 'X' };
  } catch {
    return null;
  }
}

/**
 * Ends what the program has left running: a run is a machine, and goes with its program. They get a moment, SIGTERM, some time
 * and SIGKILL. `reap` waits for those that have ended.
 */
export async function endDescendants(reap: () => void): Promise<void> {
  if (await gone(GRACE_MS, reap)) return;
  signal('SIGTERM');
  if (await gone(TERM_MS, reap)) return;
  // More than once: one of them may start others meanwhile.
  for (let i = 0; i < 10; i++) {
    signal('SIGKILL');
    if (await gone(GRACE_MS, reap)) return;
  }
}

async function gone(ms: number, reap: () => void): Promise<boolean> {
  const end = performance.now() + ms;
  for (;;) {
    // Mostly it left nothing: then there is no need to look at all processes of the host.
    const none = !hasChildren() || descendants().length === 0;
    // After the look: those that had just died then would be left to init.
    reap();
    if (none) return true;
    if (performance.now() >= end) return false;
    await sleep(LOOK_MS);
  }
}

function signal(name: NodeJS.Signals): void {
  for (const pid of descendants()) {
    try {
      process.kill(pid, name);
      // One that is stopped hears SIGTERM only when it goes on.
      process.kill(pid, 'SIGCONT');
    } catch {
      // It has ended meanwhile, or is another user's.
    }
  }
}
