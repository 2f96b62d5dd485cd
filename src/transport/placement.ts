// Writing what packets bring to memory where each access costs a system call: what packets in a row bring for one place, at once.
import { QpState } from '../core/constants.ts';
import type { Memory } from '../core/memory.ts';
import type { SoftQp } from './qp.ts';

/** Packets of which a write is put together at most. */
const MOST = 64;

/**
 * Holds back what goes one behind the other to the memory of another process. Before anybody is told that it is there (a
 * completion, an acknowledgement), before something else is done with memory in its turn, and before the packets' buffer is used
 * again, {@link settle} must be called. What goes to memory of this process is written at once.
 */
export class Placement {
  /** The bytes of the packet in hand stay where they are until {@link settle} is called. */
  lasting = false;
  private readonly failed: (qp: SoftQp, psn: number) => void;
  private qp: SoftQp | null = null;
  private psn = 0;
  private memory: Memory | null = null;
  private buf: Buffer | null = null;
  private offset = 0;
  private length = 0;
  private count = 0;
  private readonly ats = new Int32Array(MOST);
  private readonly lengths = new Int32Array(MOST);

  /** `failed` is told when what was held back could not be written: whose it was, and the PSN of its first packet. */
  constructor(failed: (qp: SoftQp, psn: number) => void) {
    this.failed = failed;
  }

  /** As `Memory.write`, for the request packet in hand of `qp`; true, too, when it is held back. */
  write(qp: SoftQp, memory: Memory, offset: number, src: Buffer, at: number, length: number): boolean {
    if (memory.writeParts === undefined || !this.lasting) return memory.write(offset, src, at, length);
    const follows =
      memory === this.memory && qp === this.qp && src === this.buf && offset === this.offset + this.length;
    if (!follows || this.count === MOST) {
      this.settle();
      // What was held back was of the same queue pair, and has ended it.
      if (qp.respStopped || qp.attr.state === QpState.ERR) return false;
      this.qp = qp;
      this.psn = qp.ePsn;
      this.memory = memory;
      this.buf = src;
      this.offset = offset;
      this.length = 0;
    }
    this.ats[this.count] = at;
    this.lengths[this.count++] = length;
    this.length += length;
    return true;
  }

  /** Writes what is held back. */
  settle(): void {
    const { count, memory, buf, qp } = this;
    if (count === 0) return;
    this.count = 0;
    this.memory = null;
    this.buf = null;
    this.qp = null;
    if (!memory!.writeParts!(this.offset, buf!, this.ats, this.lengths, count)) this.failed(qp!, this.psn);
  }
}
