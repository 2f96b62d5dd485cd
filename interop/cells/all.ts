import type { Cell } from '../cell.ts';
import { connectionCells } from './connections.ts';
import { disorderCells } from './disorder.ts';
import { errorCells } from './errors.ts';
import { operationCells } from './operations.ts';
import { pingpongCells } from './pingpong.ts';
import { robustnessCells } from './robustness.ts';
import { runCells } from './run.ts';
import { runConnectionCells } from './run-connections.ts';

export function allCells(): Cell[] {
  return [
    ...operationCells,
    ...runCells,
    ...pingpongCells,
    ...connectionCells,
    ...runConnectionCells,
    ...errorCells(),
    ...disorderCells,
    ...robustnessCells,
  ];
}
