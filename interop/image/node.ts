// Node and this package as they are on this machine, for a guest: only to measure speed there, for they are 160 MB.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { type CpioEntry, cpioArchive, S_IFREG } from './cpio.ts';

const REPOSITORY = new URL('../..', import.meta.url).pathname;
const PLACE = 'opt/infinitive';

/** How `infinitive` is called in such a guest. */
export const INFINITIVE_IN_GUEST = `node /${PLACE}/dist/cli/main.js`;

const entry = (path: string, file: string): CpioEntry => ({ path, mode: S_IFREG | 0o755, data: readFileSync(file) });

/** Files below a folder; what is only for developers stays behind. */
const below = (folder: string, path: string): CpioEntry[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile() && /\.([cm]?js|json|node)$/.test(file.name))
    .map((file) => join(file.parentPath, file.name))
    .map((file) => entry(join(path, relative(folder, file)), file));

/** The guest has the C library already. */
function libraries(program: string): CpioEntry[] {
  const text = execFileSync('ldd', [program], { encoding: 'utf8' });
  return [...text.matchAll(/=> (\/\S+)/g)]
    .map(([, file]) => file)
    .filter((file) => basename(file) !== 'libc.so.6')
    .map((file) => entry(join(realpathSync(dirname(file)), basename(file)).slice(1), file));
}

/** The names of packages that one depends on, those that are installed. */
function dependencies(folder: string, found = new Set<string>()): Set<string> {
  const own = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  for (const name of Object.keys({ ...own.dependencies, ...own.optionalDependencies })) {
    const place = join(REPOSITORY, 'node_modules', name);
    if (found.has(name) || !existsSync(place)) continue;
    found.add(name);
    dependencies(place, found);
  }
  return found;
}

/** `folder` is for what is built. */
export function nodeArchive(folder: string): Buffer {
  const dist = join(folder, 'dist');
  const tsc = join(REPOSITORY, 'node_modules/.bin/tsc');
  execFileSync(tsc, ['-p', join(REPOSITORY, 'tsconfig.build.json'), '--outDir', dist], { stdio: 'inherit' });
  return cpioArchive([
    entry('usr/bin/node', process.execPath),
    ...libraries(process.execPath),
    entry(`${PLACE}/package.json`, join(REPOSITORY, 'package.json')),
    ...below(dist, `${PLACE}/dist`),
    ...[...dependencies(REPOSITORY)].flatMap((name) =>
      below(join(REPOSITORY, 'node_modules', name), `${PLACE}/node_modules/${name}`),
    ),
  ]);
}
