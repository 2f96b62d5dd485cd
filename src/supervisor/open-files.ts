// The opened devices of all programs: which there are, which descriptor means which, when they are closed.
import { IN_CLOSE_NOWRITE, IN_CLOSE_WRITE, IN_MODIFY, O_CLOEXEC, O_RDONLY, O_RDWR } from '../os/constants.ts';
import { Inotify } from '../os/inotify.ts';
import { check, libc } from '../os/libc.ts';
import { addressOf, allocate } from '../os/memory.ts';
import { FileKey, fileHash, statEntry, statInto } from '../os/stat.ts';
import type { DeviceFile, DeviceNode } from './device-node.ts';

/** An opened device. */
export interface OpenFile {
  readonly file: DeviceFile;
  readonly node: DeviceNode;
  readonly key: FileKey;
  readonly hash: number;
  readonly closeWatch: number;
  /** -1: none. */
  readonly doorbellWatch: number;
  /** Who remembers it shall not take it for what its descriptor is now. */
  closed: boolean;
}

const IN_CLOSE = IN_CLOSE_WRITE | IN_CLOSE_NOWRITE;
const STAT_BYTES = 256;

export class OpenFiles {
  readonly list: OpenFile[] = [];
  /**
   * Closes and doorbells come by two queues: the one of doorbells may overflow when nobody looks, and then says no more than
   * that there are some; not one close may be missed.
   */
  readonly closes = new Inotify();
  readonly doorbells = new Inotify();
  private readonly byHash = new Map<number, OpenFile[]>();
  private readonly byCloseWatch = new Map<number, OpenFile>();
  private readonly stat = allocate(STAT_BYTES);
  private readonly statAt = addressOf(this.stat);

  /**
   * Takes a file up that `node` has opened; a descriptor for the program, opened with `flags`, which the caller gives away and
   * closes.
   *
   * It is of a file opened anew: the one that memfd_create made tells no events (FMODE_NONOTIFY). When the program's last
   * descriptor and mapping of it is gone (closed, or the processes have ended) there is an IN_CLOSE_WRITE (of a pipe's read end, IN_CLOSE_NOWRITE). So there is when a
   * program opens /proc/self/fd/N once more and closes that: then its device is closed under it.
   */
  add(node: DeviceNode, file: DeviceFile, flags: number): number {
    const path = `/proc/self/fd/${file.fd}`;
    const error = statInto(path, 0, this.stat);
    if (error !== 0) throw new Error(`stat of ${path}: errno ${error}`);
    const { memory } = file;
    const open: OpenFile = {
      file,
      node,
      key: new FileKey(this.stat),
      hash: fileHash(this.stat),
      closeWatch: this.closes.watch(path, memory ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE),
      doorbellWatch: memory ? this.doorbells.watch(path, IN_MODIFY) : -1,
      closed: false,
    };
    const fd = check(libc().open(path, (memory ? O_RDWR : O_RDONLY) | flags | O_CLOEXEC, 0), 'open');
    this.list.push(open);
    const same = this.byHash.get(open.hash);
    if (same === undefined) this.byHash.set(open.hash, [open]);
    else same.push(open);
    this.byCloseWatch.set(open.closeWatch, open);
    return fd;
  }

  /**
   * What `fd` is in `directory`, a thread's /proc/TID/fd: whether opened, inherited or sent to it; null: no device. By the file's
   * own number and not its name, which anybody may give to a file.
   */
  in(directory: number, fd: number): OpenFile | null {
    const { stat } = this;
    if (this.list.length === 0 || !statEntry(directory, fd, this.statAt)) return null;
    return this.byHash.get(fileHash(stat))?.find(({ key }) => key.is(stat)) ?? null;
  }

  /** Rings for what was written since the last look; how many. */
  takeDoorbells(): number {
    let count = 0;
    const { list } = this;
    for (let i = 0; i < list.length; i++) count += list[i].file.takeDoorbells();
    return count;
  }

  /** Closes what the programs have closed. */
  takeCloses(): void {
    this.closes.drain((watch, mask) => {
      const open = this.byCloseWatch.get(watch);
      if (open !== undefined && (mask & IN_CLOSE) !== 0) this.close(open);
    });
  }

  close(open: OpenFile): void {
    const at = this.list.indexOf(open);
    if (at < 0) return;
    this.list.splice(at, 1);
    open.closed = true;
    const same = this.byHash.get(open.hash)!;
    same.splice(same.indexOf(open), 1);
    if (same.length === 0) this.byHash.delete(open.hash);
    this.byCloseWatch.delete(open.closeWatch);
    this.closes.unwatch(open.closeWatch);
    if (open.doorbellWatch >= 0) this.doorbells.unwatch(open.doorbellWatch);
    open.file.close();
  }

  closeAll(): void {
    for (const open of [...this.list]) this.close(open);
    this.closes.close();
    this.doorbells.close();
  }
}
