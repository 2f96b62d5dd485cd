// The node of the connection manager: what programs open to have an event channel.
import type { RdmaCm } from '../cm/rdma/rdma-cm.ts';
import { refuse } from '../uverbs/errno.ts';
import type { UcmaContext, UcmaMulticast } from './context.ts';
import { UcmaFile } from './file.ts';
import { ABI_VERSION } from './ids.ts';
import { Numbers } from './numbers.ts';

/** MISC_MAJOR, and a minor of those given out as they come (MISC_DYNAMIC_MINOR). */
const CDEV = { major: 10, minor: 122 } as const;

/** Who opens the device. */
export interface FileOwner {
  readonly pid: number;
  readonly command: string;
  readonly netRaw: boolean;
}

export interface UcmaLimits {
  /** Ids of all files, and of one. */
  readonly ids: number;
  readonly idsPerFile: number;
  /** Multicast groups that one id may be in. */
  readonly multicasts: number;
}

export interface UcmaDeviceOptions {
  readonly cm: RdmaCm;
  readonly limits?: Partial<UcmaLimits>;
  /** Called with each error that a call ended in, before the program gets its errno. */
  readonly onError?: (error: unknown) => void;
}

export class UcmaDevice {
  readonly name = 'rdma_cm';
  readonly cdev: { readonly major: number; readonly minor: number } = CDEV;
  readonly abiVersion: number = ABI_VERSION;
  readonly cm: RdmaCm;
  readonly limits: UcmaLimits;
  readonly onError: ((error: unknown) => void) | null;
  /** Numbers are of all files: each context knows its own. */
  readonly contexts = new Numbers<UcmaContext>();
  readonly multicasts = new Numbers<UcmaMulticast>();
  private readonly files = new Map<string, UcmaFile>();
  private lastId = 0;

  constructor(options: UcmaDeviceOptions) {
    this.cm = options.cm;
    this.limits = { ids: 65536, idsPerFile: 32768, multicasts: 1024, ...options.limits };
    this.onError = options.onError ?? null;
  }

  /** As open(2) of the node. */
  open(owner: FileOwner): UcmaFile {
    const file = new UcmaFile(++this.lastId, this, owner);
    this.files.set(file.description, file);
    return file;
  }

  /** The file behind a descriptor that /proc describes so. */
  fileOf(description: string): UcmaFile | undefined {
    return this.files.get(description);
  }

  /** The context of a file by its number: ENOENT when there is none, EINVAL when it is another file's (`_ucma_find_context`). */
  find(number: number, file: UcmaFile): UcmaContext {
    const context = this.contexts.get(number) ?? refuse('ENOENT', `there is no id ${number}`);
    if (context.file !== file) refuse('EINVAL', `id ${number} is of another file`);
    return context;
  }

  /** For {@link UcmaFile.close}. */
  forget(file: UcmaFile): void {
    this.files.delete(file.description);
  }
}
