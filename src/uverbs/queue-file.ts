// The file that a program maps its queues from: work and completion queues at high offsets, the doorbell log from 0.
import type { MappedQueue } from '../core/user-abi.ts';
import { SharedFile } from '../os/memfd.ts';
import { mappingCount } from '../os/mmap.ts';
import { refuse } from './errno.ts';

const PAGE = 4096;
/** Queues lie between these; no program writes so many doorbells that they get there. */
const QUEUES_AT = 2 ** 46;
const FILE_BYTES = 2 ** 52;
/** Of the 65530 mappings that a process may have. */
const MOST_MAPPINGS = 50_000;

interface Region extends MappedQueue {
  freed: boolean;
}

export class QueueFile {
  readonly file: SharedFile;
  private readonly limit: number;
  private readonly regions = new WeakMap<ArrayBufferLike, Region>();
  // Offsets are used once: a program that still maps an old queue sees none of a new one's. They go down, as the addresses do
  // that mmap gives: the kernel joins neighbours in memory that are neighbours in their file.
  private next = FILE_BYTES;
  private bytes = 0;
  private recent: Buffer[] = [];

  /** At most `limit` bytes of queues at a time. */
  constructor(name: string, limit: number) {
    this.file = new SharedFile(name, FILE_BYTES);
    this.limit = limit;
  }

  /** Memory for a queue (core's QueueMemory). */
  readonly allocate = (bytes: number): Buffer => {
    const size = Math.ceil(bytes / PAGE) * PAGE;
    if (this.bytes + size > this.limit) refuse('ENOMEM', `the queues of a context may take ${this.limit} bytes`);
    if (mappingCount() >= MOST_MAPPINGS || this.next - size < QUEUES_AT) refuse('ENOMEM', 'too many queues');
    const offset = this.next - size;
    const memory = this.file.map(offset, size);
    this.regions.set(memory.buffer, { offset, size, freed: false });
    this.next = offset;
    this.bytes += size;
    this.recent.push(memory);
    return memory.subarray(0, bytes);
  };

  /** Where memory that {@link allocate} gave lies in the file (core's MapOf). */
  readonly mapOf = (memory: Buffer): MappedQueue => this.regions.get(memory.buffer)!;

  /** Gives memory back. It stays mapped here until nobody holds it, and reads as zeros. */
  free(memory: Buffer): void {
    const region = this.regions.get(memory.buffer);
    if (region === undefined || region.freed) return;
    region.freed = true;
    this.bytes -= region.size;
    this.file.punch(region.offset, region.size);
  }

  /** Runs `make`, and frees what it has allocated if it throws. */
  attempt<T>(make: () => T): T {
    this.recent = [];
    try {
      return make();
    } catch (error) {
      for (const memory of this.recent) this.free(memory);
      throw error;
    } finally {
      this.recent = [];
    }
  }

  close(): void {
    this.file.close();
  }
}
