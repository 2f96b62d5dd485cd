// The PSNs of one direction of a connection as they pass by: which are new, which are missing, which come again.

const PSNS = 1 << 24;
/** A jump this wide is no loss: the QPN has begun a new life, or a QP was set up anew. */
const NEW_LIFE = 1 << 15;

/** What a packet's PSN says about it. */
export const Arrival = {
  /** The next one. */
  NEXT: 'next',
  /** Before it some are missing. */
  AFTER_GAP: 'after gap',
  /** One that was missing. */
  FILLS_GAP: 'fills gap',
  /** One that was seen before. */
  AGAIN: 'again',
} as const;
export type ArrivalName = (typeof Arrival)[keyof typeof Arrival];

export class Sequence {
  /** The first PSN, from which others are counted. */
  base: number;
  /** Counted PSN after the highest seen. */
  next = 0;
  /** Counted PSNs below `next` that have not been seen. */
  readonly missing = new Set<number>();

  constructor(base: number) {
    this.base = base;
  }

  /** The PSN counted from the first; those of a little before the first are negative. */
  count(psn: number): number {
    const near = (psn - this.base - this.next) & (PSNS - 1);
    return this.next + (near >= PSNS / 2 ? near - PSNS : near);
  }

  /** Would this PSN be of a new life of the queue pair? */
  isNewLife(psn: number): boolean {
    return Math.abs(this.count(psn) - this.next) > NEW_LIFE;
  }

  restart(psn: number): void {
    this.base = psn;
    this.next = 0;
    this.missing.clear();
  }

  /** Takes `span` PSNs from the counted `at` on in. */
  take(at: number, span = 1): ArrivalName {
    const { missing, next } = this;
    const end = at + span;
    if (at >= next) {
      for (let i = next; i < at; i++) missing.add(i);
      this.next = end;
      return at > next ? Arrival.AFTER_GAP : Arrival.NEXT;
    }
    let filled = false;
    for (let i = at; i < end; i++) filled = missing.delete(i) || filled;
    this.next = Math.max(next, end);
    return filled ? Arrival.FILLS_GAP : Arrival.AGAIN;
  }
}
