// Work and completion queues as byte rings, laid out as `struct rxe_queue_buf` of <rdma/rdma_user_rxe.h>, so that an
// unmodified libibverbs can share them. One side produces, the other consumes; indices lie in 0..mask; one slot stays empty.
import { localQueueMemory, type QueueMemory } from '../core/queue-memory.ts';

/** Offset of the elements in the ring's memory. */
export const RING_HEADER = 384;
const PRODUCER = 128 >> 2;
const CONSUMER = 256 >> 2;

const NO_BYTES = Buffer.alloc(0);
const NO_WORDS = new Uint32Array(0);

export type RingSide = 'producer' | 'consumer';

export class Ring {
  /** Bytes of an element. */
  readonly stride: number;
  readonly mask: number;
  /** The memory, empty before {@link wake}; as words in `u32`. */
  bytes: Buffer = NO_BYTES;
  u32: Uint32Array = NO_WORDS;
  private readonly memory: QueueMemory;
  /** The other side is another process: indices are handed over with the order of memory that this needs. */
  private readonly shared: boolean;
  /** Which index is this side's when the ring is shared. */
  private readonly ours: RingSide;
  /** The indices; those of a shared ring that are this side's, because the other process can write over them in memory. */
  private tail = 0;
  private head = 0;

  /**
   * A ring of at least `elements` elements of at least `elementSize` bytes. `ours` is the device's side of it. `idle`: whoever
   * produces its first element in this process calls {@link wake} before.
   */
  constructor(elementSize: number, elements: number, memory: QueueMemory, ours: RingSide, idle = false) {
    const slots = 1 << (32 - Math.clz32(elements));
    this.mask = slots - 1;
    this.memory = memory;
    this.shared = memory !== localQueueMemory;
    this.ours = ours;
    const log2 = Math.max(6, 32 - Math.clz32(elementSize - 1));
    // The other process shifts by log2; alone there is no need for the room that a power of two takes.
    this.stride = this.shared ? 1 << log2 : (elementSize + 15) & ~15;
    if (this.shared || !idle) this.wake();
    if (!this.shared) return;
    this.u32[0] = log2;
    this.u32[1] = this.mask;
  }

  /** Makes the memory, if there is none yet: most of many queue pairs are idle, and do without. */
  wake(): void {
    if (this.u32.length > 0) return;
    this.bytes = this.memory(this.at(this.mask + 1));
    this.u32 = new Uint32Array(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length >> 2);
  }

  // The other side may be a program that writes anything here: masked, an index cannot lead outside.
  get producer(): number {
    return this.shared && this.ours !== 'producer' ? Atomics.load(this.u32, PRODUCER) & this.mask : this.tail;
  }

  set producer(index: number) {
    this.tail = index;
    if (this.shared) Atomics.store(this.u32, PRODUCER, index);
  }

  get consumer(): number {
    return this.shared && this.ours !== 'consumer' ? Atomics.load(this.u32, CONSUMER) & this.mask : this.head;
  }

  set consumer(index: number) {
    this.head = index;
    if (this.shared) Atomics.store(this.u32, CONSUMER, index);
  }

  next(index: number): number {
    return (index + 1) & this.mask;
  }

  /** Elements produced and not yet consumed. */
  get count(): number {
    return (this.producer - this.consumer) & this.mask;
  }

  /** Byte offset of an element. */
  at(index: number): number {
    return RING_HEADER + index * this.stride;
  }

  /** Index into `u32` of an element's first word. */
  word(index: number): number {
    return (RING_HEADER + index * this.stride) >> 2;
  }

  /** Moves what is queued to a ring of another size; null when it does not fit. */
  resized(elements: number, memory: QueueMemory): Ring | null {
    const ring = new Ring(this.stride, elements, memory, this.ours);
    if (this.count > ring.mask) return null;
    let to = 0;
    const end = this.producer;
    for (let from = this.consumer; from !== end; from = this.next(from)) {
      this.bytes.copy(ring.bytes, ring.at(to), this.at(from), this.at(from + 1));
      to++;
    }
    ring.producer = to;
    return ring;
  }
}
