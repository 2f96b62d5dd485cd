import type { PathMtu } from './guest.ts';
import type { Lab } from './lab.ts';

/** One thing that is tried: a place in a table. */
export interface Cell {
  readonly table: string;
  readonly row: string;
  readonly column: string;
  /** Who asks whom: `ours → Linux`; several cells of one row and column differ in this. */
  readonly direction: string;
  readonly mtu: PathMtu;
  /** How many guests it needs. */
  readonly guests: 1 | 2;
  /** Belongs to the subset for CI. */
  readonly ci: boolean;
  run(lab: Lab): Promise<void>;
}

export const idOf = ({ table, row, column, direction }: Cell): string => [table, row, column, direction].join(' / ');
