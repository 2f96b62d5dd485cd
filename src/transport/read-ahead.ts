// Reading messages out of memory where each access costs a system call: a large piece at once, of which packets are cut.
import type { Memory } from '../core/memory.ts';

const PIECE = 64 * 1024;

/**
 * What was read is good for as long as the message is sent without a pause: its memory is the device's until it completes, and
 * {@link forget} is called before anything else is read. Memory of this process is read packet by packet, as there is nothing to
 * be saved.
 */
export class ReadAhead {
  private readonly piece = Buffer.from(new ArrayBuffer(PIECE));
  /** Which memory the piece is of, and its first and last byte there. */
  private memory: Memory | null = null;
  private from = 0;
  private to = 0;

  /** Copies `length` bytes at `offset` of `memory` to `dst`; `rest` bytes from there on are the message's. As `Memory.read`. */
  read(memory: Memory, offset: number, rest: number, dst: Buffer, at: number, length: number): boolean {
    if (memory.writeParts === undefined) return memory.read(offset, dst, at, length);
    if (memory !== this.memory || offset < this.from || offset + length > this.to) {
      const size = Math.min(rest, PIECE);
      // Where the rest is not there the packet may still be.
      if (size <= length || !memory.read(offset, this.piece, 0, size)) return memory.read(offset, dst, at, length);
      this.memory = memory;
      this.from = offset;
      this.to = offset + size;
    }
    this.piece.copy(dst, at, offset - this.from, offset - this.from + length);
    return true;
  }

  forget(): void {
    this.memory = null;
  }
}
