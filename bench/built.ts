// The command as users have it: built, not run from its source.
import { execFileSync } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const BUILD = 'scripts/build.ts';

let main: string | null = null;

/** The built command; it is built when a source is newer. */
export function builtMain(): string {
  if (main === null) {
    const sources = [BUILD, ...globSync('src/**/*.ts', { cwd: ROOT })];
    const changed = Math.max(...sources.map(timeOf));
    // Its last file.
    if (changed > timeOf('dist/supervisor/service-worker.js')) {
      execFileSync(process.execPath, [BUILD], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
    }
    main = join(ROOT, 'dist/cli/main.js');
  }
  return main;
}

/** When a file of the project was written; 0 when it is not there. */
const timeOf = (file: string): number => statSync(join(ROOT, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
