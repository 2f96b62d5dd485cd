/** Something due at a time. `seq` is the heap's: it keeps those of equal time in the order in which they were pushed. */
export interface Timed {
  time: number;
  seq: number;
}

/** A binary heap of what is due when: earliest first, equal times in order of pushing. */
export class TimeHeap<T extends Timed> {
  private readonly items: T[] = [];
  private seq = 0;

  get length(): number {
    return this.items.length;
  }

  /** When the first is due; Infinity when there is none. */
  get nextTime(): number {
    return this.items.length === 0 ? Number.POSITIVE_INFINITY : this.items[0].time;
  }

  push(item: T): void {
    const items = this.items;
    item.seq = this.seq++;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(item, items[parent])) break;
      items[at] = items[parent];
      at = parent;
    }
    items[at] = item;
  }

  pop(): T | undefined {
    const items = this.items;
    const first = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return last;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && before(items[child + 1], items[child])) child++;
      if (!before(items[child], last)) break;
      items[at] = items[child];
      at = child;
    }
    items[at] = last;
    return first;
  }
}

function before(a: Timed, b: Timed): boolean {
  return a.time < b.time || (a.time === b.time && a.seq < b.seq);
}
