// Which paths of the programs lead into the supervisor's tree.
import { posix } from 'node:path';

/** What is mapped: these and all below. */
export const MAPPED: readonly string[] = [
  '/sys/class/infiniband',
  '/sys/class/infiniband_verbs',
  '/sys/class/misc/rdma_cm',
  '/dev/infiniband',
];

/** No path without one of these can lead there (the second: from a working directory that is in the tree). */
const HINTS = ['infiniband', 'uverbs', 'rdma_cm'] as const;
const F = 0x66;
const U = 0x75;
const D = 0x64;
const HINT_F = Buffer.from('finiband');
const HINT_U = Buffer.from(HINTS[1]);
const HINT_D = Buffer.from('dma_cm');

/**
 * Whether the path in `buf`, from 0 to `end`, needs a closer look. It is asked of every file that any program opens: so a loop
 * over the bytes, and no string.
 */
export function isCandidate(buf: Buffer, end: number): boolean {
  for (let i = 0; i < end; i++) {
    const c = buf[i];
    if (c === F && startsAt(buf, i, end, HINT_F)) return true;
    if (c === U && startsAt(buf, i, end, HINT_U)) return true;
    if (c === D && startsAt(buf, i, end, HINT_D)) return true;
  }
  return false;
}

function startsAt(buf: Buffer, at: number, end: number, hint: Buffer): boolean {
  if (at + hint.length > end) return false;
  for (let i = 1; i < hint.length; i++) if (buf[at + i] !== hint[i]) return false;
  return true;
}

/**
 * The path in the tree that `path` leads to, starting with a slash and perhaps ending with one; null when it leads elsewhere.
 * `root`, where the tree really is, may be named too: programs learn it from /proc/self/fd. `cwd` tells the working directory of
 * the program, null if it cannot be told. As in the kernel's view of an empty path, that leads nowhere.
 */
export function mapPath(path: string, root: string, cwd: () => string | null): string | null {
  if (path === '') return null;
  let full = path;
  if (!path.startsWith('/')) {
    const directory = cwd();
    if (directory === null) return null;
    full = `${directory}/${path}`;
  }
  full = posix.normalize(full);
  if (full.startsWith(`${root}/`)) full = full.slice(root.length);
  return MAPPED.some((mapped) => full === mapped || full.startsWith(`${mapped}/`)) ? full : null;
}
