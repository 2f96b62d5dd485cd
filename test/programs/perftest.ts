import type { ProgramCase } from './case.ts';

const BASE = ['-F', '-n', '200'];

interface Variant {
  readonly options: readonly string[];
  readonly runs?: 1 | 2;
  readonly quick?: boolean;
}

/** Options that perftest's users try, for the programs that have them. */
const ALL: readonly Variant[] = [
  { options: [], quick: true },
  { options: [], runs: 2, quick: true },
  { options: ['-e'], quick: true },
  { options: ['-e'], runs: 2 },
  { options: ['-m', '256'] },
  { options: ['-m', '4096'], runs: 2 },
  { options: ['-s', '1'] },
  { options: ['-D', '1'] },
];
const BANDWIDTH: readonly Variant[] = [
  { options: ['-b'] },
  { options: ['-b'], runs: 2 },
  { options: ['-q', '8'], quick: true },
];
const SIZES: readonly Variant[] = [
  { options: ['-a', '-n', '20'] },
  { options: ['-a', '-n', '20'], runs: 2 },
  { options: ['-s', '8388608', '-n', '5'] },
  { options: ['-s', '1048576', '-n', '20'], runs: 2 },
];
const INLINE: readonly Variant[] = [{ options: ['-s', '64', '--inline_size', '64'] }];

const PROGRAMS = [
  { op: 'send', transports: ['RC', 'UC', 'UD'], inline: true },
  { op: 'write', transports: ['RC', 'UC'], inline: true },
  { op: 'read', transports: ['RC'], inline: false },
  { op: 'atomic', transports: ['RC'], inline: false },
] as const;

function variants(op: string, kind: string, transport: string, inline: boolean): Variant[] {
  return [
    // Atomics are 8 bytes and have no -s; a WRITE tells its target nothing, and perftest has no events for it.
    ...ALL.filter(
      ({ options }) => !(op === 'atomic' && options[0] === '-s') && !(op === 'write' && options[0] === '-e'),
    ),
    ...(kind === 'bw' ? BANDWIDTH : []),
    // A datagram is one packet.
    ...(op !== 'atomic' && transport !== 'UD' ? SIZES : []),
    ...(inline ? INLINE : []),
  ];
}

let port = 19000;

export const perftest: readonly ProgramCase[] = PROGRAMS.flatMap(({ op, transports, inline }) =>
  (['bw', 'lat'] as const).flatMap((kind) =>
    transports.flatMap((transport) =>
      variants(op, kind, transport, inline).map(({ options, runs, quick }): ProgramCase => {
        // A duration and a number of exchanges exclude each other; a later -n replaces an earlier one.
        const base = options.includes('-D') ? ['-F'] : BASE;
        const type = op === 'read' || op === 'atomic' ? [] : ['-c', transport];
        const shown = [`ib_${op}_${kind}`, ...type, ...options];
        port++;
        const command = [
          ...shown,
          ...base.filter((o, i) => !(options.includes('-n') && (o === '-n' || base[i - 1] === '-n'))),
          '-p',
          String(port),
        ];
        return {
          name: shown.join(' '),
          package: 'perftest',
          command,
          server: command,
          port,
          runs: runs ?? 1,
          long: quick !== true,
          expect: /#bytes[^\n]*\n\s*\d+\s+\d+/,
          timeoutS: 60,
        };
      }),
    ),
  ),
);
