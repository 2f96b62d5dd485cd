// The QPs that wait for a time, earliest first. A deadline that moves later is left where it is in the heap and looked at
// when it comes up: an acknowledgement, the common case, then costs one assignment.
import type { SoftQp } from './qp.ts';

export class Timers {
  private readonly heap: SoftQp[] = [];

  /** When the first timer may be due; Infinity when there is none. */
  get next(): number {
    return this.heap.length === 0 ? Number.POSITIVE_INFINITY : this.heap[0].heapAt;
  }

  /** `qp.deadline` was set. */
  update(qp: SoftQp): void {
    if (qp.heapIndex >= 0) {
      if (qp.deadline >= qp.heapAt) return;
      qp.heapAt = qp.deadline;
      this.up(qp.heapIndex);
    } else if (qp.deadline !== Number.POSITIVE_INFINITY) {
      qp.heapAt = qp.deadline;
      qp.heapIndex = this.heap.length;
      this.heap.push(qp);
      this.up(qp.heapIndex);
    }
  }

  remove(qp: SoftQp): void {
    const i = qp.heapIndex;
    if (i < 0) return;
    qp.heapIndex = -1;
    const last = this.heap.pop()!;
    if (last === qp) return;
    this.heap[i] = last;
    last.heapIndex = i;
    this.up(i);
    this.down(last.heapIndex);
  }

  /** The next QP whose deadline has really come, taken out; null when there is none. */
  due(now: number): SoftQp | null {
    while (this.heap.length > 0) {
      const qp = this.heap[0];
      if (qp.heapAt > now) return null;
      if (qp.deadline <= now) {
        this.remove(qp);
        return qp;
      }
      this.remove(qp);
      this.update(qp);
    }
    return null;
  }

  private up(i: number): void {
    const heap = this.heap;
    const qp = heap[i];
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent].heapAt <= qp.heapAt) break;
      heap[i] = heap[parent];
      heap[i].heapIndex = i;
      i = parent;
    }
    heap[i] = qp;
    qp.heapIndex = i;
  }

  private down(i: number): void {
    const heap = this.heap;
    const qp = heap[i];
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1].heapAt < heap[child].heapAt) child++;
      if (heap[child].heapAt >= qp.heapAt) break;
      heap[i] = heap[child];
      heap[i].heapIndex = i;
      i = child;
    }
    heap[i] = qp;
    qp.heapIndex = i;
  }
}
