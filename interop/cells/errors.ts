import type { Cell } from '../cell.ts';
import { linuxErrors, type Measured, measure, SETTING } from '../errors.ts';
import type { Lab } from '../lab.ts';
import { ERRORS } from '../scenarios/errors.ts';
import { CHOICES } from './choices.ts';
import { LINUX_ASKS, OURS_ASKS } from './operations.ts';

/** A choice for CI: each kind of failure once. */
const CI =
  /^(RNR until.*SEND|WRITE, wrong|READ out|WRITE out|FETCH_ADD, QP|SEND longer.*several|peer QP dest|UD,|UC SEND longer)/;

/** Also tried with the C program under `infinitive run` as our side: each kind of failure that an ABI must bring across. */
const UNDER_RUN =
  /^(RNR until.*SEND|WRITE, wrong rkey|READ out of|CMP_SWAP, region|WRITE, QP|FETCH_ADD, address|SEND longer.*several|SEND with invalidate, wrong|WRITE beyond|SEND, wrong lkey|receive into|peer QP destroyed|own QP|UD,|UC SEND longer)/;

type Side = 'the TypeScript API' | 'libibverbs under infinitive run';

function cell(row: string, side: Side, direction: string, expected: Measured): Cell {
  const underRun = side === 'libibverbs under infinitive run';
  return {
    ...{ table: 'Errors, as two Linux peers have them', row, column: side, direction, mtu: SETTING.mtu, guests: 1 },
    ci: !underRun && CI.test(row),
    run: async (lab: Lab) => {
      const [ours, linux] = await Promise.all([
        underRun ? lab.underRun(SETTING) : lab.ours(SETTING),
        lab.linux(SETTING),
      ]);
      const ends = direction === OURS_ASKS ? ([ours, linux] as const) : ([linux, ours] as const);
      const seen = await measure(lab, row, [...ends, SETTING]);
      const different = (Object.keys({ ...expected, ...seen }) as (keyof typeof expected)[]).filter(
        (key) => JSON.stringify(seen[key]) !== JSON.stringify(expected[key]),
      );
      const texts = different.map(
        (key) => `${key}: ${JSON.stringify(seen[key])} instead of ${JSON.stringify(expected[key])}`,
      );
      if (texts.length > 0) throw new Error(texts.join('; '));
    },
  };
}

/** Errors: what both ends see is what two Linux peers see. */
export function errorCells(): Cell[] {
  const { errors } = linuxErrors();
  return Object.keys(ERRORS).flatMap((row) =>
    [OURS_ASKS, LINUX_ASKS].flatMap((direction) => {
      const linux = errors[row];
      const cells = [cell(row, 'the TypeScript API', direction, { ...linux, ...CHOICES[row]?.[direction] })];
      if (UNDER_RUN.test(row)) {
        // What librxe refuses is refused, whose device it may be.
        const expected = linux.refused ? linux : { ...linux, ...CHOICES[row]?.[direction] };
        cells.push(cell(row, 'libibverbs under infinitive run', direction, expected));
      }
      return cells;
    }),
  );
}
