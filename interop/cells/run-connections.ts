// librdmacm's programs on both sides, ours under `infinitive run`.
import type { Cell } from '../cell.ts';
import type { Lab } from '../lab.ts';
import { address4, address6, HOST4, HOST6 } from '../namespace.ts';
import { infinitive, runPair } from '../programs.ts';
import { SERVER_GUEST, SERVER_HERE } from './pingpong.ts';

type Family = 4 | 6;

interface Program {
  readonly row: string;
  readonly families: readonly Family[];
  server(address: string): string;
  client(address: string): string;
  /** What both, or one, must have written; a status alone does not say that anything was done. */
  readonly serverSays?: RegExp;
  readonly clientSays?: RegExp;
  readonly ci?: boolean;
  /** Default both. */
  readonly directions?: readonly string[];
}

/** A server that listens at -b, and a client that connects to -s. */
const plain = (row: string, families: readonly Family[], more: Partial<Program> = {}): Program => ({
  row,
  families,
  server: (address) => row.replace(' ', ` -b ${address} `),
  client: (address) => row.replace(' ', ` -s ${address} `),
  ...more,
});

const perftest = (row: string): Program => ({
  row,
  families: [4],
  server: () => `${row} -R -F -n 100`,
  client: (address) => `${row} -R -F -n 100 ${address}`,
});

const PROGRAMS: readonly Program[] = [
  {
    ...{ row: 'rping -C 10 -V', families: [4, 6], ci: true },
    // Its server ends with a status of its own when the client disconnects.
    server: (address) => `rping -s -a ${address} -C 10 -V -v || true`,
    client: (address) => `rping -c -a ${address} -C 10 -V -v`,
    serverSays: /server ping data: rdma-ping-9:/,
    clientSays: /ping data: rdma-ping-9:/,
  },
  {
    ...{ row: 'rping -S 60000', families: [4] },
    server: (address) => `rping -s -a ${address} -C 5 -S 60000 -V || true`,
    client: (address) => `rping -c -a ${address} -C 5 -S 60000 -V`,
  },
  plain('ucmatose -c 5 -C 10 -S 3000', [4, 6], { ci: true, clientSays: /return status 0/ }),
  plain('udaddy -c 3 -C 10 -S 1000', [4, 6], { ci: true, clientSays: /return status 0/ }),
  ...[1, 1000, 65536, 1_000_000].map((size) =>
    plain(`rstream -S ${size} -C 4 -I 3 -T v`, [4, 6], { ci: size === 1000 }),
  ),
  // With -T a its client may end with POLLHUP: the last data and the end of the connection can come together.
  plain('rstream -S 5000 -C 10 -I 3 -T n', [4]),
  plain('riostream -S 3000 -C 4 -I 3 -T v', [4]),
  {
    ...{ row: 'rdma_client', families: [4] },
    server: () => 'rdma_server',
    client: (address) => `rdma_client -s ${address}`,
    clientSays: /rdma_client: end 0/,
  },
  perftest('ib_write_bw -s 65536'),
  perftest('ib_send_lat -s 64'),
  // perftest makes two connections. An emulated server does not yet listen for the second when a fast client asks for it, and the
  // client that is rejected crashes.
  { ...perftest('ib_read_bw -s 5000'), directions: [SERVER_HERE] },
];

/** A client that starts again as long as nobody listens: nothing tells when a server has got as far. (rstream's `rpoll`.) */
const patient = (command: string): string =>
  [
    `for i in $(seq 40); do out=$(${command} 2>&1); code=$?; [ $code = 0 ] && break;`,
    `echo "$out" | grep -qiE "reject|refused|unreachable|CM event|rpoll: Operation now in progress" || break; sleep 0.3; done; echo "$out"; exit $code`,
  ].join(' ');

async function play(lab: Lab, program: Program, family: Family, direction: string): Promise<void> {
  const [us, them] = family === 4 ? [HOST4, address4(1)] : [HOST6, address6(1)];
  const serverHere = direction === SERVER_HERE;
  const at = serverHere ? us : them;
  const [server, client] = [program.server(at), patient(program.client(at))];
  const said = await runPair(lab, {
    here: infinitive('run', '--ip', us, '--', 'sh', '-c', serverHere ? server : client),
    guest: [serverHere ? client : server],
    server: serverHere ? 'here' : 'guest',
  });
  const { serverSays, clientSays } = program;
  for (const [text, pattern] of [
    [serverHere ? said.here : said.guest, serverSays],
    [serverHere ? said.guest : said.here, clientSays],
  ] as const) {
    if (pattern !== undefined && !pattern.test(text)) throw new Error(`${pattern} is not in what it wrote: ${text}`);
  }
}

export const runConnectionCells: readonly Cell[] = PROGRAMS.flatMap((program) =>
  program.families.flatMap((family) =>
    (program.directions ?? [SERVER_HERE, SERVER_GUEST]).map(
      (direction): Cell => ({
        ...{ table: 'librdmacm on both sides, ours under infinitive run', row: program.row, column: `IPv${family}` },
        ...{ direction, mtu: 1024, guests: 1, ci: (program.ci ?? false) && family === 4 },
        run: (lab: Lab) => play(lab, program, family, direction),
      }),
    ),
  ),
);
