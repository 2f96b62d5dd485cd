// What is told of the rounds: medians, because one round that something else disturbed should not count.
import type { Bar } from './measure.ts';

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

/** Null when there is nothing to tell. */
export function summarize(values: readonly number[]): Summary | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  return { median, min: sorted[0], max: sorted[sorted.length - 1], count: sorted.length };
}

/** Figures of one contender, round by round; null: none. */
export type Series = readonly (number | null)[];

export const figures = (series: Series): number[] => series.filter((value) => value !== null);

/**
 * The median of ours divided by the median of theirs, over the rounds that have both; null when there are none. Not the median
 * of the rounds' ratios: what disturbs a round mostly hits one of the two, and each median leaves it out.
 */
export function ratioOf(ours: Series, theirs: Series): number | null {
  const both = (series: Series): number[] =>
    figures(series.filter((_, i) => typeof ours[i] === 'number' && typeof theirs[i] === 'number'));
  const own = summarize(both(ours));
  const other = summarize(both(theirs));
  return own === null || other === null ? null : own.median / other.median;
}

export type Verdict = 'aim met' | 'met' | 'not met';

/** `value` is a ratio or a figure, whichever the bar is for. */
export function verdict(value: number, { goal, aim }: Bar, better: 'lower' | 'higher'): Verdict {
  const reaches = (bar: number): boolean => (better === 'lower' ? value <= bar : value >= bar);
  if (aim !== undefined && reaches(aim)) return 'aim met';
  return reaches(goal) ? 'met' : 'not met';
}
