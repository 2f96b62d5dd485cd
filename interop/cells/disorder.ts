import type { OpenOptions } from '../../src/api/index.ts';
import type { Cell } from '../cell.ts';
import { disorder, disorderStatistics, order } from '../disorder.ts';
import type { Lab, Setting } from '../lab.ts';
import { mixed } from '../scenarios/mixed.ts';
import { LINUX_ASKS, OURS_ASKS } from './operations.ts';

interface Unkind {
  readonly row: string;
  /** For tc in the guest. */
  readonly netem: string;
  /** For our own device. */
  readonly faults: NonNullable<OpenOptions['faults']>;
  readonly ci?: boolean;
  /** How much goes over the cable, so that it is sure to happen. Default 1. */
  readonly laps?: number;
  /** Nothing is lost for good, so nothing need be repeated. */
  readonly harmless?: boolean;
  /** Also with the C program under `infinitive run`. */
  readonly underRun?: boolean;
}

type Column = 'netem in the guest' | 'our fault options' | 'netem, infinitive run';

// Each acts on both directions of the cable.
const UNKIND: readonly Unkind[] = [
  { row: 'loss 1 %', netem: 'loss 1%', faults: { loss: 0.01 }, laps: 4 },
  { row: 'loss 5 %', netem: 'loss 5%', faults: { loss: 0.05 }, ci: true, underRun: true },
  { row: 'loss 10 %', netem: 'loss 10%', faults: { loss: 0.1 } },
  { row: 'reordering', netem: 'delay 1ms reorder 90% 50%', faults: { reorder: 0.05, reorderUs: 1000 }, ci: true },
  { row: 'duplication 5 %', netem: 'duplicate 5%', faults: { duplicate: 0.05 }, harmless: true },
  { row: 'corruption 3 %', netem: 'corrupt 3%', faults: { corrupt: 0.03 }, ci: true },
  {
    row: 'all at once',
    netem: 'delay 1ms reorder 95% 50% loss 1% duplicate 1% corrupt 1%',
    faults: { loss: 0.01, reorder: 0.01, reorderUs: 1000, duplicate: 0.01, corrupt: 0.01 },
  },
];

const SETTING: Setting = { family: 4, mtu: 1024, offload: true };
const REPEATS = ['completer_retry_err', 'rcvd_seq_err', 'out_of_seq_request', 'duplicate_request'];

const repeats = async (lab: Lab): Promise<number> => {
  const statistics = await lab.guest.statistics();
  return REPEATS.reduce((sum, name) => sum + statistics[name], 0);
};

function cell(unkind: Unkind, column: Column, direction: string): Cell {
  const { row, netem, faults, ci = false, laps = 1, harmless = false } = unkind;
  return {
    ...{ table: 'Unkind cable', row, column, direction, mtu: SETTING.mtu, guests: 1, ci },
    run: async (lab: Lab) => {
      const inGuest = column !== 'our fault options';
      const underRun = column === 'netem, infinitive run';
      const ours = underRun
        ? await lab.underRun(SETTING)
        : await lab.ours(SETTING, inGuest ? {} : { faults: { seed: 7, ...faults } });
      const linux = await lab.linux(SETTING);
      const before = await repeats(lab);
      try {
        if (inGuest) await disorder(lab.guest, netem);
        await (direction === OURS_ASKS ? mixed(laps)(ours, linux, SETTING) : mixed(laps)(linux, ours, SETTING));
      } finally {
        if (inGuest) {
          lab.note(await disorderStatistics(lab.guest));
          await order(lab.guest);
        }
      }
      if (!underRun) await ours.peer.do('counters');
      const seen = (await repeats(lab)) - before;
      if (seen === 0 && !harmless) throw new Error("Linux's counters show no retry: nothing was lost");
    },
  };
}

const COLUMNS: readonly Column[] = ['netem in the guest', 'our fault options', 'netem, infinitive run'];

export const disorderCells: readonly Cell[] = UNKIND.flatMap((unkind) =>
  COLUMNS.filter((column) => column !== 'netem, infinitive run' || unkind.underRun).flatMap((column) =>
    [OURS_ASKS, LINUX_ASKS].map((direction) => cell(unkind, column, direction)),
  ),
);
