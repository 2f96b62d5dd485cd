// What the supervisor needs of the devices that it gives to programs: what uverbs/ and ucma/ have, by its shape.
import type { UcmaCaller } from '../ucma/caller.ts';
import type { Caller } from '../uverbs/caller.ts';

/** Who opens a device. */
export interface DeviceOwner {
  readonly pid: number;
  readonly command: string;
  readonly netRaw: boolean;
}

/** One opened device. */
export interface DeviceFile {
  readonly id: number;
  readonly owner: DeviceOwner;
  /** The last look left doorbells for the next. */
  readonly behind: boolean;
  /**
   * Is it a memory file, which the program maps and writes doorbells to? Otherwise it is a pipe's read end, to be polled: then
   * what the program writes is taken by {@link write}.
   */
  readonly memory: boolean;
  /** Our descriptor of what stands for it. */
  readonly fd: number;
  /** RDMA_VERBS_IOCTL with its argument's address: 0 or an errno. */
  ioctl?(caller: Caller, address: number): number;
  /** write(2): its result, a negated errno, or null when it will be answered later. */
  write?(caller: UcmaCaller, address: number, length: number): number | null;
  /** Rings the queue pairs for what was written to the memory file; how many. */
  takeDoorbells(): number;
  close(): void;
}

/** One character device. */
export interface DeviceNode {
  /** In /dev/infiniband: `uverbs0`. */
  readonly name: string;
  readonly cdev: { readonly major: number; readonly minor: number };
  open(owner: DeviceOwner): DeviceFile;
}

/** The directory tree that mapped paths are looked up in. */
export interface Tree {
  /** Brings a file whose content changes up to date. */
  refresh(path: string): void;
}
