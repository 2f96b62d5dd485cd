// Our side as unmodified programs under `infinitive run`: the C peer through every operation, and the stock tools.
import type { Cell } from '../cell.ts';
import type { Lab, Setting } from '../lab.ts';
import { HOST4, HOST6 } from '../namespace.ts';
import { infinitive, runPair } from '../programs.ts';
import { OPERATIONS } from '../scenarios/operations.ts';
import { columnOf } from './operations.ts';
import { SERVER_GUEST, SERVER_HERE } from './pingpong.ts';

export const RUN_ASKS = 'run → Linux';
export const LINUX_ASKS_RUN = 'Linux → run';
const PORT = 18515;

const SETTINGS: readonly Setting[] = [
  { family: 4, mtu: 1024, offload: true },
  { family: 6, mtu: 4096, offload: true },
];

const OTHER_SETTINGS: readonly Setting[] = [
  { family: 6, mtu: 1024, offload: true },
  { family: 4, mtu: 4096, offload: true },
];

const operations = [...SETTINGS, ...OTHER_SETTINGS].flatMap((setting) =>
  Object.entries(OPERATIONS).flatMap(([row, scenario]) =>
    [RUN_ASKS, LINUX_ASKS_RUN].map((direction): Cell => {
      const { mtu } = setting;
      return {
        ...{ table: 'Operations, libibverbs under infinitive run', row, column: columnOf(setting), direction, mtu },
        ...{ guests: 1, ci: false },
        run: async (lab: Lab) => {
          const [ours, linux] = await Promise.all([lab.underRun(setting), lab.linux(setting)]);
          const [a, b] = direction === RUN_ASKS ? [ours, linux] : [linux, ours];
          await scenario(a, b, setting);
        },
      };
    }),
  ),
);

interface Tool {
  readonly row: string;
  readonly command: readonly string[];
  /** Options that depend on the path MTU. */
  sized?(mtu: number): readonly string[];
  readonly ci?: boolean;
  /** With IPv4 and path MTU 1024 only. */
  readonly once?: boolean;
}

const pingpong = (type: string, ...more: string[]): Tool => ({
  row: `ibv_${type}_pingpong${more.length > 0 ? ` ${more.join(' ')}` : ''}`,
  command: [`ibv_${type}_pingpong`, '-d', 'rxe0', '-n', '50', '-r', '64', '-c', ...more],
  sized: (mtu) => (type === 'ud' ? ['-s', String(mtu - 24)] : ['-s', String(3 * mtu + 1), '-m', String(mtu)]),
  ci: more.length === 0,
});

/** -F: whatever the CPU's frequency is said to be. */
const perftest = (row: string): Tool => {
  const [program, ...more] = row.split(' ');
  const once = !/_(bw -s 65536|lat -s 3)$/.test(row);
  return {
    row,
    command: [program, '-d', 'rxe0', '-F', '-n', '100', ...more],
    once,
    ci: /^ib_(write_bw|send_lat) -s \d+$/.test(row),
  };
};

const TOOLS: readonly Tool[] = [
  pingpong('rc'),
  pingpong('rc', '-e'),
  pingpong('uc'),
  pingpong('ud'),
  pingpong('srq', '-q', '4'),
  ...['send', 'write', 'read'].flatMap((op) => [
    perftest(`ib_${op}_bw -s 65536`),
    perftest(`ib_${op}_lat -s 3`),
    perftest(`ib_${op}_bw -s 5000 -q 4`),
  ]),
  perftest('ib_send_lat -s 64 -e'),
  perftest('ib_send_bw -s 1000 -c UD'),
  perftest('ib_send_lat -s 64 -c UD'),
  perftest('ib_send_bw -s 3000 -c UC'),
  perftest('ib_write_bw -s 3000 -c UC'),
  perftest('ib_send_bw -s 4096 -b'),
  perftest('ib_atomic_bw -A FETCH_AND_ADD'),
  perftest('ib_atomic_bw -A CMP_AND_SWAP'),
  perftest('ib_atomic_lat -A FETCH_AND_ADD'),
];

const tools = SETTINGS.flatMap(({ family, mtu, offload }) =>
  TOOLS.filter(({ once }) => !once || mtu === 1024).flatMap(({ row, command, sized, ci }) =>
    [SERVER_HERE, SERVER_GUEST].map((direction): Cell => {
      const gid = command[0].startsWith('ibv_') ? '-g' : '-x';
      const common = [...command, ...(sized?.(mtu) ?? [])];
      return {
        ...{ table: 'Stock programs on both sides, ours under infinitive run', row, direction, mtu, guests: 1 },
        ...{ column: columnOf({ family, mtu, offload }), ci: (ci ?? false) && mtu === 1024 },
        run: async (lab: Lab) => {
          await runPair(lab, {
            here: infinitive('run', '--ip', family === 4 ? HOST4 : HOST6, '--', ...common, gid, '0'),
            guest: [...common, gid, family === 4 ? '1' : '2'],
            port: PORT,
            server: direction === SERVER_HERE ? 'here' : 'guest',
          });
        },
      };
    }),
  ),
);

export const runCells: readonly Cell[] = [...operations, ...tools];
