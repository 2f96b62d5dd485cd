// Speed beside the kernel: the same program in the same guest, over rdma_rxe and over `infinitive run`. The CPU is emulated, so that
// nothing but the ratio means anything.
import Table from 'cli-table3';
import type { Guest, Hardware } from './guest.ts';
import { INFINITIVE_IN_GUEST, nodeArchive } from './image/node.ts';
import type { Lab } from './lab.ts';
import { address4, controlOf } from './namespace.ts';
import { listening } from './programs.ts';

const PORT = 18515;
const SECONDS = 120;
/** Each is measured this often, in turn; the median counts. */
const ROUNDS = 3;

interface Program {
  readonly command: string;
  readonly unit: string;
  /** Which number of the result's line. */
  readonly column: number;
}

const PROGRAMS: readonly Program[] = [
  { command: 'ib_write_bw -s 65536 -n 200', unit: 'MB/s', column: 3 },
  { command: 'ib_write_bw -s 1024 -n 2000', unit: 'MB/s', column: 3 },
  { command: 'ib_send_lat -e -s 2 -n 200', unit: 'µs', column: 4 },
];

type Stack = 'rdma_rxe' | 'infinitive run';
const STACKS: readonly Stack[] = ['rdma_rxe', 'infinitive run'];

/** A processor for each of the two that share a guest; Node in the image's memory. */
export const nodeHardware = (folder: string): Hardware => ({ cpus: 2, memory: 2048, extra: nodeArchive(folder) });

const untilListening = `until grep -q "${listening(PORT)}" /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done`;

/** perftest over a stack; rxe0's GID of the IPv4 address is 1, behind the link-local one, and 0 under `infinitive run`. */
const over = (stack: Stack, { command }: Program): string =>
  `${command} -F -d rxe0 -p ${PORT} -x ${stack === 'rdma_rxe' ? 1 : 0}`;

const inRun = (stack: Stack, guest: Guest, script: string): string =>
  stack === 'rdma_rxe'
    ? script
    : `${INFINITIVE_IN_GUEST} run --ip ${address4(guest.n)} -- sh -c '${script.replaceAll("'", "'\\''")}'`;

/** Server and client on one device. */
async function oneDevice({ guest }: Lab, stack: Stack, program: Program): Promise<string> {
  const command = over(stack, program);
  const script = `${command} >/dev/null & ${untilListening}; ${command} 127.0.0.1`;
  return guest.must(inRun(stack, guest, script), SECONDS);
}

/** Server in the second guest. */
async function twoGuests({ guests: [client, server] }: Lab, stack: Stack, program: Program): Promise<string> {
  const command = over(stack, program);
  const serving = server.must(inRun(stack, server, command), SECONDS);
  const ready = server.must(untilListening, SECONDS);
  await Promise.race([ready, serving]);
  const [output] = await Promise.all([
    client.must(inRun(stack, client, `${command} ${controlOf(server.n)}`), SECONDS),
    serving,
  ]);
  return output;
}

const PLACES = [
  { place: 'one device', once: oneDevice },
  { place: 'two guests', once: twoGuests },
] as const;

/** The clock of an emulated CPU is too uneven for perftest at times: it then says 0. */
const TRIES = 4;

async function measure(lab: Lab, once: typeof oneDevice, stack: Stack, program: Program): Promise<number> {
  let output = '';
  for (let i = 0; i < TRIES; i++) {
    output = await once(lab, stack, program);
    const line = /^ #bytes.*\n(.*)$/m.exec(output)?.[1];
    const value = Number(line?.trim().split(/\s+/)[program.column]);
    if (value > 0) return value;
  }
  throw new Error(`${program.command} has no result: ${output}`);
}

const median = (values: readonly number[]): number => values.toSorted((x, y) => x - y)[values.length >> 1];
const rounded = (value: number): string => String(Number(value.toPrecision(3)));

/** rxe has port 4791 of all addresses, from when its module is loaded. */
const PREPARE: Record<Stack, string> = {
  rdma_rxe:
    'modprobe rdma_rxe && { rdma link add rxe0 type rxe netdev eth0; } && until grep -q ffff: /sys/class/infiniband/rxe0/ports/1/gids/1; do sleep 0.1; done',
  'infinitive run': 'rdma link delete rxe0 && rmmod rdma_rxe',
};

export async function measureSpeed(lab: Lab, say: (text: string) => void): Promise<void> {
  const table = new Table({
    head: ['', '', ...STACKS, 'infinitive run : rdma_rxe'],
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  const values = new Map<string, number[]>();
  const valuesOf = (place: string, stack: Stack, program: Program): number[] => {
    const key = `${place}: ${program.command}: ${stack}`;
    return values.get(key) ?? values.set(key, []).get(key)!;
  };
  for (let round = 0; round < ROUNDS; round++) {
    for (const stack of STACKS) {
      if (round > 0 || stack !== 'rdma_rxe') for (const guest of lab.guests) await guest.must(PREPARE[stack]);
      for (const { place, once } of PLACES) {
        for (const program of PROGRAMS) {
          const value = await measure(lab, once, stack, program);
          say(`${place}: ${program.command}: ${stack}: ${value} ${program.unit}`);
          valuesOf(place, stack, program).push(value);
        }
      }
    }
  }
  for (const { place } of PLACES) {
    for (const program of PROGRAMS) {
      const [theirs, ours] = STACKS.map((stack) => median(valuesOf(place, stack, program)));
      const texts = [theirs, ours].map((value) => `${rounded(value)} ${program.unit}`);
      table.push([place, program.command, ...texts, rounded(ours / theirs)]);
    }
  }
  say(table.toString());
}
