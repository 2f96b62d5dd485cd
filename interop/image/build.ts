// Makes the guest's kernel and file system from Debian packages, and keeps them in the user's cache.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { type CpioEntry, cpioArchive, S_IFDIR, S_IFLNK, S_IFREG } from './cpio.ts';
import { aptUpdate, fetchClosure, fetchPackages, kernelPackage, unpack } from './debian.ts';
import { vmlinuxOf } from './kernel.ts';
import { FILES, MODULES, PACKAGES, PROGRAMS } from './recipe.ts';

export interface Image {
  readonly kernel: string;
  readonly initrd: string;
  /** Version of the kernel's Debian package. */
  readonly version: string;
}

export const CACHE: string = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'infinitive', 'interop');

/** The image in the cache, made first if it is not there or was made by another recipe. */
export function guestImage(say: (text: string) => void, rebuild = false): Image {
  const recipe = createHash('sha256')
    .update(JSON.stringify([PACKAGES, PROGRAMS, MODULES, FILES]))
    .update(readFileSync(new URL(import.meta.url)))
    .digest('hex')
    .slice(0, 12);
  const folder = join(CACHE, `image-${recipe}`);
  const manifest = join(folder, 'image.json');
  if (rebuild || !existsSync(manifest)) build(folder, manifest, say);
  return {
    ...JSON.parse(readFileSync(manifest, 'utf8')),
    kernel: join(folder, 'vmlinux'),
    initrd: join(folder, 'base.cpio'),
  };
}

function build(folder: string, manifest: string, say: (text: string) => void): void {
  const work = `${folder}.new`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  say('guest image: asking for packages');
  aptUpdate();
  const { name, version, release } = kernelPackage();
  const stage = join(work, 'stage');
  say(`guest image: ${PACKAGES.length} packages and what they need`);
  unpack(fetchClosure(PACKAGES, join(work, 'debs')), stage);
  say(`guest image: kernel ${version}`);
  const kernelRoot = join(work, 'kernel');
  unpack(fetchPackages([`${name}=${version}`], join(work, 'kernel-deb')), kernelRoot);
  writeFileSync(join(work, 'vmlinux'), vmlinuxOf(readFileSync(join(kernelRoot, 'boot', `vmlinuz-${release}`))));

  const entries = [...userland(stage), ...modules(stage, kernelRoot, release)];
  writeFileSync(join(work, 'base.cpio'), cpioArchive(entries));
  writeFileSync(join(work, basename(manifest)), JSON.stringify({ version }));
  for (const part of ['debs', 'stage', 'kernel', 'kernel-deb']) rmSync(join(work, part), { recursive: true });
  rmSync(folder, { recursive: true, force: true });
  renameSync(work, folder);
  // Older recipes' images would only fill the disk.
  for (const other of readdirSync(CACHE)) {
    if (other.startsWith('image-') && join(CACHE, other) !== folder) rmSync(join(CACHE, other), { recursive: true });
  }
}

const link = (path: string, target: string): CpioEntry => ({ path, mode: S_IFLNK | 0o777, data: Buffer.from(target) });
const directory = (path: string, mode = 0o755): CpioEntry => ({ path, mode: S_IFDIR | mode });

function userland(stage: string): CpioEntry[] {
  const file = (path: string): CpioEntry => {
    const real = realpathSync(join(stage, path));
    return { path: merged(path), mode: S_IFREG | (lstatSync(real).mode & 0o777), data: readFileSync(real) };
  };
  const busybox = join(stage, 'bin/busybox');
  chmodSync(busybox, 0o755);
  const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  const paths = PROGRAMS.map((name) => {
    const found = ['usr/bin', 'usr/sbin', 'sbin', 'bin']
      .map((d) => `${d}/${name}`)
      .find((p) => existsSync(join(stage, p)));
    if (found === undefined) throw new Error(`none of the guest's packages has ${name}`);
    return found;
  });
  const loaded = [...paths, ...FILES.filter((f) => /\.so(\.|$)/.test(f))];
  // As the guest's own loader resolves them.
  const libraries = new Set(
    loaded.flatMap((path) => {
      const args = [stage, '/lib64/ld-linux-x86-64.so.2', '--list', `/${path}`];
      const text = execFileSync('chroot', args, { encoding: 'utf8' });
      return [...text.matchAll(/\/\S+\.so\S*/g)].map(([name]) => name.slice(1));
    }),
  );
  return [
    ...['proc', 'sys', 'dev', 'run', 'tmp', 'root', 'etc', 'usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64'].map((d) =>
      directory(d),
    ),
    ...['bin', 'sbin', 'lib', 'lib64'].map((d) => link(d, `usr/${d}`)),
    ...applets.filter((name) => name !== 'busybox').map((name) => link(`usr/bin/${name}`, 'busybox')),
    { ...file('bin/busybox'), path: 'usr/bin/busybox' },
    // Where the kernel looks for it.
    link('usr/sbin/modprobe', '../bin/busybox'),
    ...[...new Set([...FILES, ...libraries])].map(file),
    ...paths.map((path) => ({ ...file(path), path: `usr/bin/${basename(path)}` })),
    { path: 'etc/passwd', mode: S_IFREG | 0o644, data: Buffer.from('root:x:0:0:root:/root:/bin/sh\n') },
    { path: 'etc/group', mode: S_IFREG | 0o644, data: Buffer.from('root:x:0:\n') },
  ];
}

/** Where a path lies when /usr is merged: below a link an archive cannot have members. */
const merged = (path: string): string => path.replace(/^(bin|sbin|lib|lib64)\//, 'usr/$1/');

function modules(stage: string, root: string, release: string): CpioEntry[] {
  const folder = `lib/modules/${release}`;
  const busybox = join(stage, 'bin/busybox');
  execFileSync(busybox, ['depmod', '-b', root, release]);
  const nameOf = (path: string): string => basename(path, '.ko').replaceAll('-', '_');
  const needs = new Map<string, string[]>();
  for (const line of readFileSync(join(root, folder, 'modules.dep'), 'utf8')
    .trim()
    .split('\n')) {
    const [path, rest] = line.split(':');
    needs.set(nameOf(path), [path, ...rest.trim().split(/\s+/).filter(Boolean)]);
  }
  const wanted = new Set<string>();
  for (const name of MODULES) {
    const paths = needs.get(name);
    if (paths === undefined) throw new Error(`kernel ${release} has no module ${name}`);
    for (const path of paths) wanted.add(path);
  }
  const entry = (path: string): CpioEntry => ({
    path: merged(`${folder}/${path}`),
    mode: S_IFREG | 0o644,
    data: readFileSync(join(root, folder, path)),
  });
  const dependencies = [...needs.values()]
    .filter(([path]) => wanted.has(path))
    .map(([path, ...rest]) => `${path}: ${rest.join(' ')}\n`)
    .join('');
  return [
    ...[...wanted].map(entry),
    // Of all modules: those that are not in the guest are simply not found.
    ...['order', 'builtin', 'builtin.modinfo', 'alias', 'symbols'].map((name) => entry(`modules.${name}`)),
    { path: merged(`${folder}/modules.dep`), mode: S_IFREG | 0o644, data: Buffer.from(dependencies) },
  ];
}
