import { chmodSync, mkdtempSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Some 180 files are written at each start: 60 ms where /tmp is on a disk, 5 in memory. */
const IN_MEMORY = '/dev/shm';
/** They take less than 1 MB. */
const ROOM = 4e6;

/** Makes the directory of a run's tree of files, which any user may read. */
export function makeTreeRoot(): string {
  const root = makeIn(IN_MEMORY) ?? mkdtempSync(nameIn(tmpdir()));
  // Opened files keep their directory open; the tree itself is read through the supervisor, and by descriptors it gave away.
  chmodSync(root, 0o755);
  return root;
}

const nameIn = (directory: string): string => join(directory, 'infinitive-run-');

/** Null where that cannot be: there is no such directory, it may not be written to, or programs have filled it up. */
function makeIn(directory: string): string | null {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize < ROOM ? null : mkdtempSync(nameIn(directory));
  } catch {
    return null;
  }
}
