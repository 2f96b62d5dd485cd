// Doorbells: an rxe provider rings by a write(2) of a POST_SEND command to the device's descriptor. That is a file here,
// where these commands end up one after the other: a log, which is read through a window that slides over it.
//
// A program that writes other commands (libraries from before RDMA_VERBS_IOCTL, rdma-core 17) gets no answer to them this way:
// they are passed over. So is whatever else it writes. A program that moves the file's position loses its own doorbells.
import type { SharedFile } from '../os/memfd.ts';
import { unmapShared } from '../os/mmap.ts';
import { Command, EXTENDED } from './ids.ts';

const WINDOW = 256 * 1024;
const WINDOW_WORDS = WINDOW >> 2;
/** Beyond the window, so that a record at its end is seen whole. */
const OVERLAP = 4096;
/** Records looked at before others have their turn. */
const BUDGET = 1024;

/** struct ib_uverbs_cmd_hdr and struct ib_uverbs_post_send behind it, in 32-bit words. */
const RECORD_WORDS = 8;
const COMMAND = 0;
const SIZES = 1;
const QP_HANDLE = 4;
const PROVIDER_SIZES = 4;
const WQE_SIZE = 7;

/** Words of a command, as ib_uverbs_write() reads its header; one without a length is taken to have a doorbell's. */
function wordsOf(command: number, sizes: number, providerSizes: number): number {
  const words = command >= EXTENDED ? 6 + 2 * ((sizes & 0xffff) + (providerSizes & 0xffff)) : sizes & 0xffff;
  return words < 2 ? RECORD_WORDS : words;
}

export class DoorbellLog {
  private readonly file: SharedFile;
  private readonly ring: (handle: number) => void;
  private windowAt = 0;
  private words: Uint32Array;
  /** The next word to look at. */
  private at = 0;

  constructor(file: SharedFile, ring: (handle: number) => void) {
    this.file = file;
    this.ring = ring;
    this.words = this.map();
  }

  /** Reads what has been written since the last look; the number of doorbells among it. */
  take(): number {
    let rung = 0;
    for (let n = 0; n < BUDGET; n++) {
      if (Atomics.load(this.words, this.at + COMMAND) === 0 && !this.follows()) return rung;
      if (!this.whole()) {
        // The kernel may be copying it at this moment, its words in any order; all are there once another record follows.
        if (!this.follows()) return rung;
        if (!this.whole()) {
          this.advance(this.otherWords());
          continue;
        }
      }
      rung++;
      this.ring(Atomics.load(this.words, this.at + QP_HANDLE));
      this.advance(RECORD_WORDS);
    }
    return rung;
  }

  /** A doorbell, all of whose words that matter are there: none of them is ever 0. */
  private whole(): boolean {
    const { words, at } = this;
    return (
      Atomics.load(words, at + COMMAND) === Command.POST_SEND &&
      (Atomics.load(words, at + SIZES) & 0xffff) === RECORD_WORDS &&
      Atomics.load(words, at + QP_HANDLE) !== 0 &&
      Atomics.load(words, at + WQE_SIZE) !== 0
    );
  }

  /** Something has been written behind the record: copies of one write(2) and the next are not reordered. */
  private follows(): boolean {
    const { words, at } = this;
    for (let i = RECORD_WORDS; i < 2 * RECORD_WORDS; i++) if (Atomics.load(words, at + i) !== 0) return true;
    return false;
  }

  /** Length of what is no doorbell. */
  private otherWords(): number {
    const { words, at } = this;
    return wordsOf(words[at + COMMAND], words[at + SIZES], words[at + PROVIDER_SIZES]);
  }

  /** Something is written in the log that {@link take} has not reached. */
  get behind(): boolean {
    return Atomics.load(this.words, this.at + SIZES) !== 0;
  }

  private advance(words: number): void {
    this.at += words;
    while (this.at >= WINDOW_WORDS) {
      unmapShared(Buffer.from(this.words.buffer));
      this.file.punch(this.windowAt, WINDOW);
      this.windowAt += WINDOW;
      this.at -= WINDOW_WORDS;
      this.words = this.map();
    }
  }

  private map(): Uint32Array {
    return new Uint32Array(this.file.map(this.windowAt, WINDOW + OVERLAP).buffer);
  }
}
