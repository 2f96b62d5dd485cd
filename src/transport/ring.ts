// Work and completion queues as byte rings, laid out as `struct rxe_queue_buf` of <rdma/rdma_user_rxe.h>, so that an
// unmodified libibverbs can share them. One side produces, the other consumes; indices lie in 0..mask; one slot stays empty.
import { localQueueMemory, type QueueMemory } from '../core/queue-memory.ts';

/** Offset of the elements in the ring's memory. */
export const RING_HEADER = 384;
const PRODUCER = 128 >> 2;
const CONSUMER = 256 >> 2;

export type RingSide = 'producer' | 'consumer';

export class Ring {
  readonly bytes: Buffer;
  readonly u32: Uint32Array;
  /** log2 of an element's size. */
  readonly log2: number;
  readonly mask: number;
  /** The other side is another process: indices are handed over with the order of memory that this needs. */
  private readonly shared: boolean;
  /** Which index is this side's when the ring is shared. */
  private readonly ours: RingSide;
  /** Its true value: the other process can write what it likes over the one in memory. */
  private own = 0;

  /** A ring of at least `elements` elements of at least `elementSize` bytes. `ours` is the device's side of it. */
  constructor(elementSize: number, elements: number, memory: QueueMemory, ours: RingSide) {
    this.log2 = Math.max(6, 32 - Math.clz32(elementSize - 1));
    const slots = 1 << (32 - Math.clz32(elements));
    this.mask = slots - 1;
    this.bytes = memory(RING_HEADER + (slots << this.log2));
    this.u32 = new Uint32Array(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length >> 2);
    this.u32[0] = this.log2;
    this.u32[1] = this.mask;
    this.shared = memory !== localQueueMemory;
    this.ours = ours;
  }

  // The other side may be a program that writes anything here: masked, an index cannot lead outside.
  get producer(): number {
    if (!this.shared) return this.u32[PRODUCER];
    return this.ours === 'producer' ? this.own : Atomics.load(this.u32, PRODUCER) & this.mask;
  }

  set producer(index: number) {
    if (this.shared) this.publish(PRODUCER, index, this.ours === 'producer');
    else this.u32[PRODUCER] = index;
  }

  get consumer(): number {
    if (!this.shared) return this.u32[CONSUMER];
    return this.ours === 'consumer' ? this.own : Atomics.load(this.u32, CONSUMER) & this.mask;
  }

  set consumer(index: number) {
    if (this.shared) this.publish(CONSUMER, index, this.ours === 'consumer');
    else this.u32[CONSUMER] = index;
  }

  /** The other side's index is written here only by who plays the other process. */
  private publish(at: number, index: number, ours: boolean): void {
    if (ours) this.own = index;
    Atomics.store(this.u32, at, index);
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
    return RING_HEADER + (index << this.log2);
  }

  /** Index into `u32` of an element's first word. */
  word(index: number): number {
    return (RING_HEADER >> 2) + (index << (this.log2 - 2));
  }

  /** Moves what is queued to a ring of another size; null when it does not fit. */
  resized(elements: number, memory: QueueMemory): Ring | null {
    const ring = new Ring(1 << this.log2, elements, memory, this.ours);
    if (this.count > ring.mask) return null;
    let to = 0;
    const end = this.producer;
    for (let from = this.consumer; from !== end; from = this.next(from)) {
      this.bytes.copy(ring.bytes, ring.at(to), this.at(from), this.at(from) + (1 << this.log2));
      to++;
    }
    ring.u32[PRODUCER] = to;
    if (ring.ours === 'producer') ring.own = to;
    return ring;
  }
}
