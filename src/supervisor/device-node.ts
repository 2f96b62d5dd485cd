// What the supervisor needs of the devices that it gives to programs: what uverbs/ has, by its shape.
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
  /** Our descriptor of the memory file that stands for it. */
  readonly fd: number;
  /** RDMA_VERBS_IOCTL with its argument's address: 0 or an errno. */
  ioctl(caller: Caller, address: number): number;
  /** Rings the queue pairs for what was written to the memory file; how many. */
  takeDoorbells(): number;
  close(): void;
}

/** One character device: `/dev/infiniband/uverbs0`. */
export interface DeviceNode {
  readonly number: number;
  readonly cdev: { readonly major: number; readonly minor: number };
  open(owner: DeviceOwner): DeviceFile;
}

/** The directory tree that mapped paths are looked up in. */
export interface Tree {
  /** Brings a file whose content changes up to date. */
  refresh(path: string): void;
}
