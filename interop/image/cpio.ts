// Writes cpio archives of the "newc" form, which Linux unpacks as an initramfs.

export interface CpioEntry {
  /** Without a leading slash. */
  readonly path: string;
  /** Type and permission bits as in st_mode. */
  readonly mode: number;
  /** A file's bytes, or where a symbolic link points. */
  readonly data?: Buffer;
}

export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;

const padded = (length: number): number => (length + 3) & ~3;

function member(entry: CpioEntry, inode: number): Buffer[] {
  const name = Buffer.from(`${entry.path}\0`);
  const data = entry.data ?? Buffer.alloc(0);
  const links = entry.mode & S_IFDIR ? 2 : 1;
  // Inode, mode, uid, gid, links, mtime, size, device and rdev (major, minor each), length of the name, checksum.
  const fields = [inode, entry.mode, 0, 0, links, 0, data.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(`070701${fields.map((f) => f.toString(16).padStart(8, '0')).join('')}`);
  const head = Buffer.alloc(padded(header.length + name.length));
  header.copy(head);
  name.copy(head, header.length);
  return [head, data, Buffer.alloc(padded(data.length) - data.length)];
}

/** An archive of `entries`, with the folders they lie in; padded so that another may be put behind it. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const all = new Map<string, CpioEntry>();
  for (const entry of entries) {
    const parts = entry.path.split('/');
    for (let i = 1; i < parts.length; i++) {
      const path = parts.slice(0, i).join('/');
      if (!all.has(path)) all.set(path, { path, mode: S_IFDIR | 0o755 });
    }
    all.set(entry.path, entry);
  }
  const parts: Buffer[] = [];
  let inode = 1;
  for (const entry of all.values()) parts.push(...member(entry, inode++));
  parts.push(...member({ path: 'TRAILER!!!', mode: 0 }, 0));
  const archive = Buffer.concat(parts);
  return Buffer.concat([archive, Buffer.alloc(-archive.length & 511)]);
}
