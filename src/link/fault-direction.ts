import type { FaultCounters, FaultOptions } from './faults.ts';
import { TimeHeap } from './heap.ts';
import type { Parcel } from './parcel.ts';
import { Random } from './random.ts';

/** One direction of a link with faults: its own chance (what is sent must not depend on what arrives) and what it holds back. */
export class FaultDirection {
  /** Whether any fault acts in this direction. */
  on = false;
  random: Random;
  readonly held = new TimeHeap<Parcel>();
  private last = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  /** When the next datagram is due: not before the one before it, unless it is its lot to be reordered. */
  due(now: number, options: Required<FaultOptions>, counters: FaultCounters): number {
    let due = now;
    if (this.on) {
      due += options.delayUs;
      if (options.delayJitterUs > 0) due += this.random.float() * options.delayJitterUs;
      if (this.random.chance(options.reorder)) {
        counters.reordered++;
        return due + options.reorderUs;
      }
    }
    this.last = Math.max(due, this.last);
    return this.last;
  }

  /** Whether a datagram due at `due` goes on at once: it is time, and nothing held back goes before it. */
  passes(due: number, now: number): boolean {
    return due <= now && this.held.nextTime > due;
  }
}
