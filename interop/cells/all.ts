import type { Cell } from '../cell.ts';
import { errorCells } from './errors.ts';
import { operationCells } from './operations.ts';

export function allCells(): Cell[] {
  return [...operationCells, ...errorCells()];
}
