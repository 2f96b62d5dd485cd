// A ring of datagrams in memory that two processes share: one writes, the other reads, and neither trusts the other.

import { JUMBO, JUMBO_HEAD, NO_JUMBO } from './jumbo.ts';

/** A page for the indices, then the datagrams. */
const DATA = 4096;
/** Power of two. What is in flight should stay in the CPU's cache: more brings nothing. */
const SIZE = 2 << 20;
const MASK = SIZE - 1;
/**
 * Bytes, each datagram with its overhead (udp-window.ts), that may be in flight of what is sent, and as many of what the peer has
 * asked for: so much that a ring is hardly ever full, and whoever waits for the peer can sleep.
 */
export const RING_WINDOW = SIZE / 2 - 128 * 1024;
export const RING_BYTES = DATA + SIZE;

// In words of 32 bits: what the writer writes, and what the reader writes, in cache lines of their own. Indices count bytes, modulo 2^32.
const TAIL = 0;
const HEAD = 32;
const STATE = 33;

/** What the writer must know of its reader. */
export const Reader = {
  /** It looks into the ring by itself. */
  AWAKE: 0,
  /** It wants to be woken. */
  ASLEEP: 1,
  /** It will not look again. */
  GONE: 2,
} as const;

/** In place of a length: the rest up to the ring's end is not used. */
const SKIP = -1;
/** Length, TOS: then the datagram. */
const FRAME = 16;
const framed = (length: number): number => FRAME + ((length + 15) & ~15);

/** Bytes taken out at once, or read where they are. */
const PIECE = 2 * framed(JUMBO);
/** Bytes copied at once. */
const BLOCK = 2 * framed(NO_JUMBO);

/** Bytes that may be put in before they are shown to a reader that is awake, and before one that sleeps is woken for them. */
const SHOW = 32 * 1024;
const WAKE = 256 * 1024;

function wordsOf(memory: Buffer): Int32Array {
  return new Int32Array(memory.buffer, memory.byteOffset, RING_BYTES >> 2);
}

/** Puts datagrams in: `reserve`, write to `buf`, `commit`; the reader sees them with `publish`. */
export class RingWriter {
  readonly buf: Buffer;
  private readonly words: Int32Array;
  /** What was written, what of it the reader may see, what it is known to be awake for, and up to where it was last seen to have read. */
  private tail = 0;
  private shown = 0;
  private published = 0;
  private head = 0;
  private reserved = 0;
  /** How far it had read when that was asked last, and whether there was something to read then. */
  private seen = 0;
  private pending = false;

  constructor(memory: Buffer) {
    this.buf = memory;
    this.words = wordsOf(memory);
  }

  /** Room for one datagram: its offset in `buf`, or -1. */
  reserve(length: number, tos: number): number {
    const need = framed(length);
    let at = this.tail & MASK;
    const rest = SIZE - at;
    const skipped = rest < need ? rest : 0;
    if (!this.fits(skipped + need)) return -1;
    if (skipped > 0) {
      this.words[(DATA + at) >> 2] = SKIP;
      this.tail = (this.tail + skipped) | 0;
      at = 0;
    }
    const word = (DATA + at) >> 2;
    this.words[word] = length;
    this.words[word + 1] = tos;
    this.reserved = need;
    return DATA + at + FRAME;
  }

  /** True when so much has come together that it should be published. */
  commit(): boolean {
    this.tail = (this.tail + this.reserved) | 0;
    if (((this.tail - this.shown) | 0) >= SHOW) this.show();
    return ((this.tail - this.published) | 0) >= WAKE;
  }

  private show(): void {
    this.shown = this.tail;
    Atomics.store(this.words, TAIL, this.tail);
  }

  /** Lets the reader see what was committed; the state that it is in. */
  publish(): number {
    if (this.tail === this.published) return Reader.AWAKE;
    this.published = this.tail;
    // The index first, then the look at the state: the reader does it the other way round (both sequentially consistent).
    this.show();
    return Atomics.load(this.words, STATE);
  }

  /** Will nobody look into the ring again? */
  get abandoned(): boolean {
    return Atomics.load(this.words, STATE) === Reader.GONE;
  }

  /** Is the reader to be woken? It sleeps, and nobody has said this before. */
  rouse(): boolean {
    return Atomics.compareExchange(this.words, STATE, Reader.ASLEEP, Reader.AWAKE) === Reader.ASLEEP;
  }

  /** Has the reader made no room since this was asked last, though there was something? */
  get stuck(): boolean {
    const head = Atomics.load(this.words, HEAD);
    const stuck = this.pending && head === this.seen;
    this.seen = head;
    this.pending = head !== this.published;
    return stuck;
  }

  private fits(bytes: number): boolean {
    if (((this.tail - this.head) | 0) + bytes <= SIZE) return true;
    const head = Atomics.load(this.words, HEAD);
    const used = (this.tail - head) | 0;
    // A reader that says what cannot be reads nothing more.
    if (used < 0 || used > SIZE) return false;
    this.head = head;
    return used + bytes <= SIZE;
  }
}

/**
 * Takes the datagram handed over: `length` bytes of the reader's `buf` from `off` on; or of a jumbo the first JUMBO_HEAD there, and the
 * whole in its `ring` from `inRing` on, which is else -1.
 */
export type Hand = (off: number, length: number, tos: number, inRing: number) => void;

/**
 * Takes datagrams out. They are copied first, several at once: what the writer does to the ring then, nobody sees. Of a jumbo this goes
 * for its headers alone: a copy of the rest would cost a third of what receiving it costs, and who writes something else there
 * meanwhile sends that.
 */
export class RingReader {
  /** Where the datagrams handed over lie, until the next call of {@link take}. */
  readonly buf: Buffer;
  readonly ring: Buffer;
  /** Bytes of a datagram that is copied, at most. */
  private readonly whole: number;
  private readonly words: Int32Array;
  private readonly copied: Int32Array;
  private head = 0;
  /** Up to where the writer may write again. */
  private released = 0;
  /** Are there any among those that were taken last? */
  private jumbos = false;
  /** The writer has broken the rules. */
  broken = false;
  /** When it was last read there was more than was taken. */
  more = false;

  /** `jumbo`: jumbos are handed over in two parts; without it everything is copied, whatever its length. */
  constructor(memory: Buffer, jumbo = false) {
    this.whole = jumbo ? NO_JUMBO : JUMBO;
    this.ring = memory;
    this.words = wordsOf(memory);
    this.buf = Buffer.from(new ArrayBuffer(PIECE));
    this.copied = new Int32Array(this.buf.buffer);
  }

  get empty(): boolean {
    return this.broken || Atomics.load(this.words, TAIL) === this.head;
  }

  /** Hands over what is there, up to two jumbos or `most` datagrams; returns how many: 0 also before the ring begins anew. */
  take(hand: Hand, most: number): number {
    this.release();
    const tail = Atomics.load(this.words, TAIL);
    const there = (tail - this.head) | 0;
    this.more = false;
    if (there === 0 || most <= 0 || this.broken) return 0;
    if (there < 0 || there > SIZE || (there & 15) !== 0) return this.fail();
    const at = this.head & MASK;
    const bytes = Math.min(there, SIZE - at, PIECE);
    const end = this.copyOut(at, bytes, most);
    if (end === 0) return this.fail();
    this.head = (this.head + end) | 0;
    if (!this.jumbos) this.release();
    this.more = there > end;
    return this.handOver(at, Math.min(end, bytes), hand);
  }

  /** Nothing of what was handed over is needed any more. */
  private release(): void {
    if (this.released === this.head) return;
    this.released = this.head;
    Atomics.store(this.words, HEAD, this.head);
  }

  /** From now on the writer wakes us, once; false when something is there already. */
  sleep(): boolean {
    if (this.broken) return true;
    this.release();
    Atomics.store(this.words, STATE, Reader.ASLEEP);
    return this.empty;
  }

  /** It looks by itself again. True when it has been woken by the writer. */
  awake(): boolean {
    return !this.broken && Atomics.exchange(this.words, STATE, Reader.AWAKE) === Reader.AWAKE;
  }

  close(): void {
    Atomics.store(this.words, STATE, Reader.GONE);
  }

  /**
   * Copies frames from `at` on to the same places in `buf`, of jumbos the headers alone: bytes of those that are whole, with what is
   * skipped at the ring's end; 0: they are none of a writer's. A length is believed when it has been copied.
   */
  private copyOut(at: number, bytes: number, most: number): number {
    let pos = 0;
    let copied = 0;
    this.jumbos = false;
    for (let count = 0; pos < bytes && count < most; count++) {
      // One block for many that are short: to go from length to length would be one cache miss after the other.
      if (copied <= pos) {
        const ahead = this.words[(DATA + at + pos) >> 2] > this.whole ? FRAME + JUMBO_HEAD : BLOCK;
        copied = this.copy(at, pos, Math.min(pos + ahead, bytes));
      }
      const length = this.copied[pos >> 2];
      if (length === SKIP) return SIZE - at;
      if (length < 0 || length > JUMBO) return 0;
      const end = pos + framed(length);
      if (end > bytes) break;
      const isJumbo = length > this.whole;
      const needed = isJumbo ? pos + FRAME + JUMBO_HEAD : end;
      if (copied < needed) copied = this.copy(at, copied, needed);
      if (isJumbo) this.jumbos = true;
      pos = end;
    }
    return pos;
  }

  private copy(at: number, from: number, to: number): number {
    this.ring.copy(this.buf, from, DATA + at + from, DATA + at + to);
    return to;
  }

  private handOver(at: number, end: number, hand: Hand): number {
    const { copied, whole } = this;
    let count = 0;
    for (let pos = 0; pos < end; ) {
      const length = copied[pos >> 2];
      if (length === SKIP) break;
      hand(pos + FRAME, length, copied[(pos >> 2) + 1] & 255, length > whole ? DATA + at + pos + FRAME : -1);
      pos += framed(length);
      count++;
    }
    return count;
  }

  private fail(): number {
    this.broken = true;
    return 0;
  }
}
