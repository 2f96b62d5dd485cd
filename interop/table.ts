// The tables that a run ends with.
import Table from 'cli-table3';
import type { Cell } from './cell.ts';

export interface Outcome {
  readonly cell: Cell;
  readonly failure: string | null;
  readonly seconds: number;
  /** How often it was tried. */
  readonly attempts: number;
}

/** A table for each of `Cell.table`: a mark for each direction, in the order that the heading tells. */
export function tables(outcomes: readonly Outcome[]): string {
  const texts: string[] = [];
  for (const name of new Set(outcomes.map(({ cell }) => cell.table))) {
    const own = outcomes.filter(({ cell }) => cell.table === name);
    const columns = [...new Set(own.map(({ cell }) => cell.column))];
    const directions = [...new Set(own.map(({ cell }) => cell.direction))];
    const table = new Table({
      head: [name, ...columns],
      style: { head: [], border: [] },
      chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    });
    for (const row of new Set(own.map(({ cell }) => cell.row))) {
      const marks = columns.map((column) =>
        directions
          .map((direction) =>
            own.find(({ cell }) => cell.row === row && cell.column === column && cell.direction === direction),
          )
          .map((outcome) => (outcome === undefined ? '·' : outcome.failure === null ? '✓' : '✗'))
          .join(' '),
      );
      table.push([row, ...marks]);
    }
    texts.push(table.toString());
    if (directions.length > 1) texts.push(`each: ${directions.join('; ')}`);
  }
  return texts.join('\n');
}
