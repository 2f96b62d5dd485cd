import type { Cell } from '../cell.ts';
import type { Lab, Setting } from '../lab.ts';
import { OPERATIONS } from '../scenarios/operations.ts';

export const OURS_ASKS = 'ours → Linux';
export const LINUX_ASKS = 'Linux → ours';

const SETTINGS: readonly Setting[] = ([1024, 4096] as const).flatMap((mtu) =>
  ([4, 6] as const).flatMap((family) => [true, false].map((offload) => ({ family, mtu, offload }))),
);

export const columnOf = ({ family, mtu, offload }: Setting): string => `IPv${family} ${mtu}${offload ? '' : ' no GSO'}`;

/** Every operation, with every setting, in both directions. */
export const operationCells: readonly Cell[] = SETTINGS.flatMap((setting) =>
  Object.entries(OPERATIONS).flatMap(([row, scenario]) =>
    [OURS_ASKS, LINUX_ASKS].map((direction): Cell => {
      const { mtu, offload, family } = setting;
      return {
        ...{ table: 'Operations', row, column: columnOf(setting), direction, mtu, guests: 1 },
        ci: offload && ((mtu === 1024 && family === 4) || (mtu === 4096 && family === 6 && direction === OURS_ASKS)),
        run: async (lab: Lab) => {
          const [ours, linux] = await Promise.all([lab.ours(setting), lab.linux(setting)]);
          const [a, b] = direction === OURS_ASKS ? [ours, linux] : [linux, ours];
          await scenario(a, b, setting);
          await assertClean(ours.peer);
        },
      };
    }),
  ),
);

/** Of what Linux sends on a cable without faults nothing is thrown away, and nothing has to be sent again. */
async function assertClean(ours: { do<T>(command: string): Promise<T> }): Promise<void> {
  const counters = await ours.do<Record<string, number>>('counters');
  // The datagrams with a wrong Q_Key, and the access violations that are provoked, are counted elsewhere.
  for (const name of ['icrc_errors', 'bad_pkey', 'timeouts'])
    if (counters[name] !== 0) throw new Error(`our counter ${name} is ${counters[name]}`);
}
