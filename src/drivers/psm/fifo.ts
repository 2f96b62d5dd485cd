/** First in, first out. It keeps its memory: an array that gets empty gives it up in V8, and needs new memory for the next. */
export class Fifo<T> {
  private items: (T | undefined)[] = new Array<T | undefined>(16).fill(undefined);
  private head = 0;
  length = 0;

  push(item: T): void {
    const { items } = this;
    if (this.length === items.length) {
      this.items = [
        ...items.slice(this.head),
        ...items.slice(0, this.head),
        ...new Array<undefined>(items.length).fill(undefined),
      ];
      this.head = 0;
    }
    this.items[(this.head + this.length++) & (this.items.length - 1)] = item;
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.items[this.head];
    this.items[this.head] = undefined;
    this.head = (this.head + 1) & (this.items.length - 1);
    this.length--;
    return item;
  }

  /** All of them, and none is left. */
  takeAll(): T[] {
    const all: T[] = [];
    while (this.length > 0) all.push(this.shift()!);
    return all;
  }
}
