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
    options: ['--fail', 'event:PORT_ERR@in=0.5'],
    // It waits for events for ever.
    command: ['sh', '-c', 'stdbuf -oL timeout -s INT 1 ibv_asyncwatch; test $? = 124'],
    expect: /event_type IBV_EVENT_PORT_ERR|port error/i,
  },
  ...VARIANTS.flatMap(([type, options], i) => [
    pingpong(type, options, 1, 18600 + i),
    pingpong(type, options, 2, 18600 + i),
  ]),
];
