import type { ProgramCase } from './case.ts';

const PACKAGE = 'ibverbs-utils';
const pingpong = (type: string, options: readonly string[], runs: 1 | 2, port: number): ProgramCase => {
  const command = [`ibv_${type}_pingpong`, '-g', '0', '-p', String(port), ...options];
  return { name: command.join(' '), package: PACKAGE, command, server: command, port, runs, expect: /usec\/iter/ };
};

/** -c (the data is checked) is not an option of ibv_ud_pingpong and ibv_srq_pingpong in every release. */
const VARIANTS: readonly (readonly [type: string, options: readonly string[]])[] = [
  ['rc', ['-c']],
  ['rc', ['-c', '-e']],
  ['rc', ['-c', '-s', '1', '-n', '100']],
  ['rc', ['-c', '-s', '1000000', '-n', '50', '-m', '4096']],
  ['uc', ['-c']],
  ['uc', ['-c', '-e']],
  ['ud', ['-c']],
  ['ud', ['-c', '-e']],
  ['srq', ['-c']],
  ['srq', ['-c', '-e']],
];

export const ibverbsUtils: readonly ProgramCase[] = [
  { name: 'ibv_devices', package: PACKAGE, command: ['ibv_devices'], expect: /rxe0/ },
  { name: 'ibv_devinfo -v', package: PACKAGE, command: ['ibv_devinfo', '-v'], expect: /state:\s+PORT_ACTIVE/ },
  {
    name: 'ibv_asyncwatch',
    package: PACKAGE,
    program: 'ibv_asyncwatch',
    // It waits for events for ever: that it says so, and ends by a signal, is what there is to see.
    command: ['timeout', '--preserve-status', '-s', 'INT', '1', 'sh', '-c', 'ibv_asyncwatch; exit 0'],
    expect: /async event FD/,
  },
  ...VARIANTS.flatMap(([type, options], i) => [
    pingpong(type, options, 1, 18600 + i),
    pingpong(type, options, 2, 18600 + i),
  ]),
];
