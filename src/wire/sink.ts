/** Collects bytes in chunks that are handed over whole, so that a capture costs one copy and few allocations. */
export class ByteSink {
  /** Where to write, after {@link reserve}. */
  buf: Buffer;
  at: number;
  pending: number;
  readonly #chunkSize: number;
  #full: Buffer[];
  #start: number;

  constructor(chunkSize = 65536) {
    this.buf = Buffer.alloc(0);
    this.at = 0;
    this.pending = 0;
    this.#chunkSize = chunkSize;
    this.#full = [];
    this.#start = 0;
  }

  /** Makes `length` bytes available at `buf[at]`, zeroed or not, and counts them; returns where they start. */
  reserve(length: number): number {
    if (this.at + length > this.buf.length) {
      this.#close();
      this.buf = Buffer.allocUnsafeSlow(Math.max(this.#chunkSize, length));
      this.at = 0;
      this.#start = 0;
    }
    const start = this.at;
    this.at += length;
    this.pending += length;
    return start;
  }

  #close(): void {
    if (this.at > this.#start) this.#full.push(this.buf.subarray(this.#start, this.at));
    this.#start = this.at;
  }

  /** All bytes since the last call. The rest of the current chunk goes on being filled behind them. */
  take(): Buffer[] {
    this.#close();
    const taken = this.#full;
    this.#full = [];
    this.pending = 0;
    return taken;
  }
}
