/** A queue in a circular array that doubles when full: no allocation once it has its size, and none before first use. */
export class Fifo<T> {
  length = 0;
  private slots: (T | undefined)[] = [];
  private head = 0;

  push(item: T): void {
    if (this.length === this.slots.length) this.grow();
    this.slots[(this.head + this.length++) & (this.slots.length - 1)] = item;
  }

  /** The oldest item, removed; undefined when there is none. */
  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.slots[this.head];
    this.slots[this.head] = undefined;
    this.head = (this.head + 1) & (this.slots.length - 1);
    this.length--;
    return item;
  }

  /** The oldest item, left where it is. */
  peek(): T | undefined {
    return this.length === 0 ? undefined : this.slots[this.head];
  }

  /** The item that `index` others are older than, left where it is. */
  at(index: number): T {
    return this.slots[(this.head + index) & (this.slots.length - 1)]!;
  }

  /** Such an item, removed; the others keep their order. */
  removeAt(index: number): T {
    const { slots, head } = this;
    const mask = slots.length - 1;
    const item = this.at(index);
    for (let i = index; i > 0; i--) slots[(head + i) & mask] = slots[(head + i - 1) & mask];
    this.shift();
    return item;
  }

  private grow(): void {
    const size = Math.max(8, this.slots.length * 2);
    const slots = new Array<T | undefined>(size).fill(undefined);
    for (let i = 0; i < this.length; i++) slots[i] = this.slots[(this.head + i) & (this.slots.length - 1)];
    this.slots = slots;
    this.head = 0;
  }
}
