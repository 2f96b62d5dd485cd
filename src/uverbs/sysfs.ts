// A tree of real files that says of our devices what sysfs and /dev say of those of the kernel.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { UverbsDevice } from './device.ts';
import { deviceFiles, type Text } from './sysfs-files.ts';

/** IB_USER_VERBS_ABI_VERSION */
const VERBS_ABI = 6;
const IBDEV = '/sys/class/infiniband';
const VERBS = '/sys/class/infiniband_verbs';
const DEV = '/dev/infiniband';

interface File {
  readonly text: Text;
  /** What it says now; null: it is not there. */
  now: string | null;
}

export class SysfsTree {
  private readonly root: string;
  private readonly files = new Map<string, File>();
  private readonly directories = new Set<string>();

  /** Writes the tree into an empty directory: what is /sys/… to a program is `root`/sys/…. */
  constructor(root: string, devices: readonly UverbsDevice[]) {
    this.root = root;
    for (const dir of [IBDEV, VERBS, DEV]) this.addDirectory(dir);
    this.add(`${VERBS}/abi_version`, () => `${VERBS_ABI}`);
    for (const uverbs of devices) this.addDevice(uverbs);
    this.refreshAll();
  }

  /** Brings a file up to date, named by its path in the program; for other paths it does nothing. */
  refresh(path: string): void {
    const file = this.files.get(path);
    if (file !== undefined) this.write(path, file);
  }

  /** All files: for those who open them relative to a directory, which nobody sees. */
  refreshAll(): void {
    for (const [path, file] of this.files) this.write(path, file);
  }

  private addDevice(uverbs: UverbsDevice): void {
    const { device, abi, cdev, name } = uverbs;
    this.add(`${VERBS}/${name}/ibdev`, () => device.name);
    this.add(`${VERBS}/${name}/dev`, () => `${cdev.major}:${cdev.minor}`);
    this.add(`${VERBS}/${name}/abi_version`, () => `${abi.abiVersion}`);
    for (const [path, text] of deviceFiles(device, abi)) this.add(`${IBDEV}/${device.name}/${path}`, text);
    this.addNode(name);
  }

  /** A file in /dev/infiniband: opening it is what opens the device, the file only stands in its place. */
  addNode(name: string): void {
    writeFileSync(join(this.root, DEV, name), '');
  }

  /** Puts a file for a device of another kind in, with what it says. */
  add(path: string, text: Text): void {
    this.files.set(path, { text, now: null });
    this.addDirectory(dirname(path));
  }

  private addDirectory(path: string): void {
    if (this.directories.has(path)) return;
    this.directories.add(path);
    mkdirSync(join(this.root, path), { recursive: true });
  }

  private write(path: string, file: File): void {
    const text = file.text();
    if (text === file.now) return;
    file.now = text;
    // In place: a program may have it open, and the directory's time, by which libibverbs knows devices, stays.
    if (text === null) rmSync(join(this.root, path), { force: true });
    else writeFileSync(join(this.root, path), `${text}\n`);
  }
}
