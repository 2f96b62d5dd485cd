// When communications want to be looked at again. A deadline that was moved leaves its old entry in the heap, which is passed over.
import { TimeHeap } from '../../link/heap.ts';
import type { IbCmId } from './id.ts';

interface Entry {
  readonly time: number;
  seq: number;
  readonly id: IbCmId;
}

export class CmTimers {
  private readonly heap = new TimeHeap<Entry>();

  /** Microseconds of the clock; Infinity when nothing is due. */
  get next(): number {
    return this.heap.nextTime;
  }

  set(id: IbCmId, deadline: number): void {
    id.deadline = deadline;
    if (deadline !== Number.POSITIVE_INFINITY) this.heap.push({ time: deadline, seq: 0, id });
  }

  /** The next that is due, its deadline taken away; null when there is none. */
  due(now: number): IbCmId | null {
    while (this.heap.nextTime <= now) {
      const { id, time } = this.heap.pop()!;
      if (id.deadline !== time) continue;
      id.deadline = Number.POSITIVE_INFINITY;
      return id;
    }
    return null;
  }
}
