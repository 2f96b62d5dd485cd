// infinitive demo: what this is, shown in a few seconds.
import { styleText } from 'node:util';
import { Command, Option } from 'commander';
import type { OpenOptions } from '../../api/index.ts';
import { LINK_KINDS, type LinkKind } from '../../link/kind.ts';
import { loopbackAddresses, openFirstFree, plainAddress } from '../addresses.ts';
import { type Child, startChild } from '../demo/child.ts';
import { runDemoClient } from '../demo/client.ts';
import { type DemoRow, demoTable, SECONDS, STEPS } from '../demo/plan.ts';
import { CliError, usageError } from '../errors.ts';
import { parseAddress, parseNumber, parsePort } from '../parse.ts';

interface DemoFlags {
  readonly json?: boolean;
  readonly link?: LinkKind;
  readonly ip?: readonly string[];
  readonly duration: number;
}

const THROUGH: Readonly<Record<LinkKind, string>> = {
  auto: 'shared memory, both being on this host (--link udp: sockets)',
  udp: 'ordinary UDP sockets',
  dgram: 'sockets of node:dgram',
};

const HELP = `
A server and a client process are started, each with an RDMA device on a loopback address of its own. Exit code 1 when
data arrived other than it was sent.`;

export function demoCommand(): Command {
  return new Command('demo')
    .summary('start here: RDMA between two processes of this host, measured and verified, in 15 s')
    .description('RDMA between two processes of this host: all kinds of operations, measured, with the data verified.')
    .addOption(
      new Option('--link <kind>', 'as of "infinitive perf" (default: auto where it works)').choices(LINK_KINDS),
    )
    .addOption(
      new Option(
        '--ip <address...>',
        'addresses of server and client (default: loopback addresses that are free)',
      ).argParser((text, earlier: readonly string[] = []) => [...earlier, parseAddress(text)]),
    )
    .option('-D, --duration <seconds>', 'of each of the 16 measurements', parseNumber(0.01, 3600), SECONDS)
    .option('--json', 'the result as JSON')
    .addHelpText('after', HELP)
    .action(demo);
}

/** The client process that "infinitive demo" starts. */
export function demoClientCommand(): Command {
  return new Command('demo-client')
    .description('the client process of "infinitive demo"')
    .requiredOption('--host <address>', 'the server', parseAddress)
    .requiredOption('--port <port>', 'its TCP port', parsePort)
    .requiredOption('--ip <address>', 'own address', parseAddress)
    .requiredOption('--link <kind>', 'auto, udp or dgram')
    .requiredOption('--duration <seconds>', 'of each measurement', Number)
    .action(runDemoClient);
}

async function demo(flags: DemoFlags): Promise<void> {
  const say = (text: string): void => {
    if (!flags.json) console.log(text);
  };
  if (flags.ip !== undefined && flags.ip.length !== 2)
    throw usageError("--ip needs two addresses: the server's and the client's");
  const link = flags.link ?? (await workingLink());
  const [serverIp, clientIp] = flags.ip ?? (await twoAddresses({ link }));
  const server = startChild(['perf', '--persist', '--json', '--port', '0', '--ip', serverIp, '--link', link]);
  const children: Child[] = [server];
  try {
    const port = await portOf(server);
    const target = ['--host', '127.0.0.1', '--port', String(port), '--duration', String(flags.duration)];
    const client = startChild(['demo-client', ...target, '--ip', clientIp, '--link', link]);
    children.push(client);
    say(introduction(server, serverIp, client, clientIp, link, flags.duration));
    const rows = await collect(client);
    if (flags.json) console.log(JSON.stringify({ link, server: serverIp, client: clientIp, rows }, null, 2));
    say(`\n${demoTable(rows)}\n\n${outlook()}`);
    const wrong = rows.filter((row) => !row.verified).map((row) => row.operation);
    if (wrong.length > 0) throw new CliError(`data arrived other than it was sent: ${wrong.join(', ')}`);
  } finally {
    for (const child of children) child.stop();
  }
}

/** What Linux has, through FFI, if that works here, else the sockets of Node. */
async function workingLink(): Promise<LinkKind> {
  try {
    await (await openFirstFree(loopbackAddresses(1), { link: 'auto' })).close();
    return 'auto';
  } catch {
    return 'dgram';
  }
}

/** Two addresses on which a device can be opened now. */
async function twoAddresses(options: OpenOptions): Promise<[string, string]> {
  await using first = await openFirstFree(loopbackAddresses(1), options);
  await using second = await openFirstFree(loopbackAddresses(1), options);
  return [plainAddress(first.gids[0].gid), plainAddress(second.gids[0].gid)];
}

async function portOf(server: Child): Promise<number> {
  for await (const line of server.lines()) return (line as { listening: number }).listening;
  throw new CliError('the server process ended at once');
}

async function collect(client: Child): Promise<DemoRow[]> {
  const rows: DemoRow[] = [];
  const out = process.stderr;
  const show = (): void => {
    const next = STEPS[rows.length];
    if (out.isTTY)
      out.write(`\r\x1b[K${next === undefined ? '' : `${rows.length + 1}/${STEPS.length} ${next.operation}`}`);
  };
  show();
  for await (const line of client.lines()) {
    rows.push(line as DemoRow);
    show();
  }
  return rows;
}

function introduction(
  server: Child,
  serverIp: string,
  client: Child,
  clientIp: string,
  link: LinkKind,
  duration: number,
): string {
  return [
    styleText(
      'bold',
      'RDMA without RDMA hardware, kernel module or root: two processes, each with a device of its own.',
    ),
    `  server: process ${server.process.pid}, RoCEv2 on ${serverIp}, UDP port 4791`,
    `  client: process ${client.process.pid}, RoCEv2 on ${clientIp}, through ${THROUGH[link]}`,
    'For each operation: messages are compared byte by byte where they arrive, then latency and bandwidth',
    `are measured. This takes about ${Math.ceil(2 + STEPS.length * 3 * duration)} seconds.`,
  ].join('\n');
}

function outlook(): string {
  const run = process.argv[1].endsWith('.ts') ? 'npm run -s infinitive --' : 'infinitive';
  return [
    'Next:',
    `  ${run} perf                       and, in a second terminal or on another host,`,
    `  ${run} perf 127.0.0.1 --op write --all     (see "${run} perf --help")`,
    `  ${run} perf 127.0.0.1 --loss 1% --capture perf.pcapng     for what Wireshark makes of a bad network`,
  ].join('\n');
}
