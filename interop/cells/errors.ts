import type { Cell } from '../cell.ts';
import { linuxErrors, measure, SETTING } from '../errors.ts';
import type { Lab } from '../lab.ts';
import { ERRORS } from '../scenarios/errors.ts';
import { CHOICES } from './choices.ts';
import { LINUX_ASKS, OURS_ASKS } from './operations.ts';

/** A choice for CI: each kind of failure once. */
const CI =
  /^(RNR until.*SEND|WRITE, wrong|READ out|WRITE out|FETCH_ADD, QP|SEND longer.*several|peer QP dest|UD,|UC SEND longer)/;

/** Errors: what both ends see is what two Linux peers see. */
export function errorCells(): Cell[] {
  const { errors } = linuxErrors();
  return Object.keys(ERRORS).flatMap((row) =>
    [OURS_ASKS, LINUX_ASKS].map((direction): Cell => {
      return {
        ...{
          table: 'Errors',
          row,
          column: 'as two Linux peers',
          direction,
          mtu: SETTING.mtu,
          guests: 1,
          ci: CI.test(row),
        },
        run: async (lab: Lab) => {
          const [ours, linux] = await Promise.all([lab.ours(SETTING), lab.linux(SETTING)]);
          const ends = direction === OURS_ASKS ? ([ours, linux] as const) : ([linux, ours] as const);
          const seen = await measure(lab, row, [...ends, SETTING]);
          const expected = { ...errors[row], ...CHOICES[row]?.[direction] };
          const different = (Object.keys({ ...expected, ...seen }) as (keyof typeof expected)[]).filter(
            (key) => JSON.stringify(seen[key]) !== JSON.stringify(expected[key]),
          );
          const texts = different.map(
            (key) => `${key}: ${JSON.stringify(seen[key])} instead of ${JSON.stringify(expected[key])}`,
          );
          if (texts.length > 0) throw new Error(texts.join('; '));
        },
      };
    }),
  );
}
