// How the engine reaches the bytes of a memory region: this process's memory here, another process's under `infinitive run`.

/** The bytes behind a memory region. Offsets and lengths were checked against the region by the core before a call. */
export interface Memory {
  readonly byteLength: number;
  /** Copies `length` bytes at `offset` to `dst` at `at`. False when the memory is gone (unmapped, its process dead). */
  read(offset: number, dst: Buffer, at: number, length: number): boolean;
  /** Copies `length` bytes of `src` at `at` to `offset`. False when the memory is gone or may not be written. */
  write(offset: number, src: Buffer, at: number, length: number): boolean;
  /**
   * As {@link write}, of `count` pieces of `src` that go one behind the other: `lengths[i]` bytes at `ats[i]`. Only where each access
   * costs a system call, so that one that is large is better than many.
   */
  writeParts?(offset: number, src: Buffer, ats: Int32Array, lengths: Int32Array, count: number): boolean;
  /** The memory from `offset` on, `length` bytes of it; without this a {@link MemorySlice} does. */
  slice?(offset: number, length: number): Memory;
}

/** Memory of this process: any ArrayBuffer, SharedArrayBuffer or view of one. */
export class LocalMemory implements Memory {
  readonly byteLength: number;
  private readonly bytes: Buffer;

  constructor(source: ArrayBufferLike | ArrayBufferView) {
    this.bytes = ArrayBuffer.isView(source)
      ? Buffer.from(source.buffer, source.byteOffset, source.byteLength)
      : Buffer.from(source);
    this.byteLength = this.bytes.length;
  }

  // A detached ArrayBuffer has length 0, and one may shrink: then Buffer.copy throws or copies less.
  read(offset: number, dst: Buffer, at: number, length: number): boolean {
    return offset + length <= this.bytes.length && this.bytes.copy(dst, at, offset, offset + length) === length;
  }

  write(offset: number, src: Buffer, at: number, length: number): boolean {
    return offset + length <= this.bytes.length && src.copy(this.bytes, offset, at, at + length) === length;
  }

  slice(offset: number, length: number): LocalMemory {
    return new LocalMemory(this.bytes.subarray(offset, offset + length));
  }
}

/** A part of another memory. */
export class MemorySlice implements Memory {
  readonly byteLength: number;
  readonly writeParts?: NonNullable<Memory['writeParts']>;
  private readonly whole: Memory;
  private readonly start: number;

  constructor(whole: Memory, start: number, length: number) {
    this.byteLength = length;
    this.whole = whole;
    this.start = start;
    if (whole.writeParts !== undefined) {
      this.writeParts = (offset, src, ats, lengths, count) =>
        whole.writeParts!(start + offset, src, ats, lengths, count);
    }
  }

  read(offset: number, dst: Buffer, at: number, length: number): boolean {
    return this.whole.read(this.start + offset, dst, at, length);
  }

  write(offset: number, src: Buffer, at: number, length: number): boolean {
    return this.whole.write(this.start + offset, src, at, length);
  }
}

/** `length` bytes of `memory` from `offset` on; the memory itself from 0 on, because the region bounds the length. */
export function sliceMemory(memory: Memory, offset: number, length: number): Memory {
  if (offset === 0) return memory;
  return memory.slice?.(offset, length) ?? new MemorySlice(memory, offset, length);
}
