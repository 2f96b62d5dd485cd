import type { SoftQp } from './qp.ts';

/** Queue pairs that wait for their turn. Emptied it keeps its memory: an array whose length is set to 0 is made anew by V8. */
export class QpList {
  count = 0;
  private readonly items: (SoftQp | null)[] = [];

  push(qp: SoftQp): void {
    this.items[this.count++] = qp;
  }

  at(i: number): SoftQp {
    return this.items[i]!;
  }

  /** Takes the first `n` out. */
  drop(n: number): void {
    const { items, count } = this;
    for (let i = n; i < count; i++) items[i - n] = items[i];
    for (let i = count - n; i < count; i++) items[i] = null;
    this.count = count - n;
  }
}
