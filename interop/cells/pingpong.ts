import type { Cell } from '../cell.ts';
import type { Lab } from '../lab.ts';
import { HOST4, HOST6 } from '../namespace.ts';
import { infinitive, runPair } from '../programs.ts';
import { columnOf } from './operations.ts';

export const SERVER_HERE = 'our server, Linux client';
export const SERVER_GUEST = 'Linux server, our client';
const PORT = 18515;
const TYPES = ['rc', 'uc', 'ud', 'srq'] as const;

/** `infinitive pingpong` with ibv_*_pingpong in the guest; both check the data. */
export const pingpongCells: readonly Cell[] = ([1024, 4096] as const).flatMap((mtu) =>
  ([4, 6] as const).flatMap((family) =>
    TYPES.flatMap((type) =>
      (mtu === 1024 ? [false, true] : [false]).flatMap((events) =>
        [SERVER_HERE, SERVER_GUEST].map((direction): Cell => {
          const size = type === 'ud' ? mtu - 24 : 3 * mtu + 1;
          const common = ['-s', String(size), '-n', '50', '-r', '64', '-c', ...(events ? ['-e'] : [])];
          if (type === 'srq') common.push('-q', '4');
          if (type !== 'ud') common.push('-m', String(mtu));
          return {
            ...{
              table: 'ibv_*_pingpong with infinitive pingpong',
              row: `ibv_${type}_pingpong${events ? ' -e' : ''}`,
              direction,
            },
            ...{
              column: columnOf({ family, mtu, offload: true }),
              mtu,
              guests: 1,
              ci: mtu === 1024 && family === 4 && !events,
            },
            run: async (lab: Lab) => {
              await runPair(lab, {
                here: infinitive('pingpong', '-t', type, '--ip', family === 4 ? HOST4 : HOST6, ...common),
                guest: [`ibv_${type}_pingpong`, '-d', 'rxe0', '-g', family === 4 ? '1' : '2', ...common],
                port: PORT,
                server: direction === SERVER_HERE ? 'here' : 'guest',
              });
            },
          };
        }),
      ),
    ),
  ),
);
