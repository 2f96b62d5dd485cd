// Where the bytes of a stream come in: to the peer a buffer that it writes to round and round, here a row of pieces, each filled and
// then the program's. So bytes are copied once, from the packet to where the program finds them.
import type { Memory } from '../core/memory.ts';

/** Pieces of 64 KiB are given back to the system when they are collected, and cost page faults anew; shorter ones malloc keeps. */
const PIECE = 32 * 1024;
/** Shorter ones are copied: a whole piece would be kept for as long as the program has them. */
const IN_PLACE = 4096;

/**
 * What the peer may write is what it was granted, in order and once: what it wrote cannot be changed any more, and what it did not
 * write is not read.
 */
export class Inflow implements Memory {
  readonly byteLength: number;
  /** Where the peer has to go on, and how far it may. */
  private next = 0;
  private granted = 0;
  /** Pieces with bytes in them that were not taken, the last of them being filled. */
  private readonly pieces: Buffer[] = [];
  private filled = 0;
  private taken = 0;

  constructor(byteLength: number) {
    this.byteLength = byteLength;
  }

  /** The peer may write so many bytes more. */
  grant(bytes: number): void {
    this.granted += bytes;
  }

  write(offset: number, src: Buffer, at: number, length: number): boolean {
    if (offset !== this.next || length > this.granted) return false;
    this.granted -= length;
    this.next = (offset + length) % this.byteLength;
    for (let from = at; from < at + length; ) {
      if (this.pieces.length === 0 || this.filled === PIECE) {
        this.pieces.push(Buffer.allocUnsafeSlow(PIECE));
        this.filled = 0;
      }
      const n = Math.min(at + length - from, PIECE - this.filled);
      src.copy(this.pieces[this.pieces.length - 1], this.filled, from, from + n);
      this.filled += n;
      from += n;
    }
    return true;
  }

  read(): boolean {
    return false;
  }

  /** The next bytes, at most `most` of them and at least one; null when no more have come. */
  take(most: number): Buffer | null {
    const { pieces, taken } = this;
    const end = pieces.length > 1 ? PIECE : this.filled;
    if (pieces.length === 0 || taken === end) return null;
    const [piece] = pieces;
    const n = Math.min(most, end - taken);
    this.taken = taken + n;
    if (this.taken === PIECE) {
      pieces.shift();
      this.taken = 0;
    }
    const bytes = piece.subarray(taken, taken + n);
    return n < IN_PLACE ? Buffer.from(bytes) : bytes;
  }
}
