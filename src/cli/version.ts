import { readFileSync } from 'node:fs';

/** The version of this package. The same relative path holds for src/cli and dist/cli. */
export const VERSION: string = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version;
