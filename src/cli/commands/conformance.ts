// infinitive conformance: is a driver what it claims to be?
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { Command, Option } from 'commander';
import {
  DRIVERS,
  formatJunit,
  formatText,
  type Pair,
  type Report,
  remoteSide,
  runConformance,
  serve,
  simulatedPair,
  udpPair,
  udpSide,
} from '../../conformance/index.ts';
import { isLinux } from '../../os/ffi.ts';
import { CliError, messageOf, usageError } from '../errors.ts';
import { parseAddress } from '../parse.ts';

interface Flags {
  readonly device: string;
  readonly ip?: string;
  readonly peer?: string;
  readonly serve?: string | true;
  readonly simulated?: boolean;
  readonly only?: string;
  readonly all?: boolean;
  readonly json?: boolean;
  readonly junit?: boolean;
}

const TCP_PORT = 18516;
const HELP = `
Two devices of one driver are put through every verb and every public compliance statement, in success and in failure:
by default over UDP between 127.0.0.1 and 127.0.0.2. A device passes, fails, or does not claim what is asked; a verb that
is there and answers "not supported" is named as a stub.

With a peer, one device is here and the other on another host, where "infinitive conformance --serve" waits: it lets
whoever connects use that device, so start it where nobody else can connect. Packets are not looked into then.`;

export function conformanceCommand(): Command {
  return new Command('conformance')
    .summary('put a driver through the conformance suite')
    .description('Judges a device by what it does: verbs, and compliance statements of the InfiniBand specification.')
    .addOption(new Option('-d, --device <driver>', 'which driver').choices(Object.keys(DRIVERS)).default('rxe'))
    .option('--ip <address>', 'the address of the device here (default: 127.0.0.1)', parseAddress)
    .option('--peer <host[:port]>', `the other device is there, served on TCP port ${TCP_PORT} unless told`)
    .option('--serve [port]', 'be that peer: serve one run, then end')
    .option('--simulated', 'on a simulated network, in virtual time')
    .option('--only <text>', 'only checks whose name, area or statement contains this')
    .option('--all', 'say also why something is not claimed')
    .option('--json', 'the report as JSON')
    .option('--junit', 'the report as JUnit XML')
    .addHelpText('after', HELP)
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  if (flags.json && flags.junit) throw usageError('--json and --junit: one of them');
  if (flags.serve !== undefined) return serveOne(flags);
  const { open, close } = flags.peer === undefined ? await here(flags) : await withPeer(flags, flags.peer);
  try {
    const report = await runConformance({ open, only: flags.only, exceptions: DRIVERS[flags.device].exceptions });
    if (report.checks.length === 0) throw usageError(`--only ${flags.only}: there is no such check`);
    console.log(text(report, flags));
    if (!report.passed) process.exitCode = 1;
  } finally {
    close();
  }
}

function text(report: Report, { json, junit, all }: Flags): string {
  if (json) return JSON.stringify(report, null, 2);
  return junit ? formatJunit(report).trimEnd() : formatText(report, all);
}

interface Opened {
  readonly open: () => Pair | Promise<Pair>;
  readonly close: () => void;
}

async function here({ device, ip, simulated }: Flags): Promise<Opened> {
  const driver = DRIVERS[device];
  if (simulated || !isLinux()) return { open: () => simulatedPair(driver), close: () => {} };
  const first = ip ?? '127.0.0.1';
  return { open: () => udpPair(driver, [first, neighbour(first)]), close: () => {} };
}

/** Another loopback address of the same /16, which is a subnet to drivers that address by LID. */
function neighbour(address: string): string {
  const match = /^(127\.\d+\.\d+)\.(\d+)$/.exec(address);
  if (match === null) return '127.0.0.2';
  return `${match[1]}.${match[2] === '1' ? 2 : 1}`;
}

async function withPeer({ device, ip = '127.0.0.1' }: Flags, peer: string): Promise<Opened> {
  const { host, port } = hostPort(peer);
  const socket = connect({ host, port });
  try {
    await once(socket, 'connect');
  } catch (error) {
    throw new CliError(`${peer}: ${messageOf(error)}; is "infinitive conformance --serve" running there?`);
  }
  socket.setNoDelay(true);
  const b = remoteSide(socket);
  const local = udpSide(DRIVERS[device], ip);
  const open = async (): Promise<Pair> => {
    await Promise.all([local.side.reset(), b.reset()]);
    return { a: local.side, b, wire: null, close: () => {} };
  };
  const close = (): void => {
    local.close();
    socket.destroy();
  };
  return { open, close };
}

function hostPort(text: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text);
  if (match === null) return { host: text.replace(/^\[|\]$/g, ''), port: TCP_PORT };
  return { host: match[1] ?? match[2], port: Number(match[3]) };
}

async function serveOne({ device, ip = '127.0.0.1', serve: given }: Flags): Promise<void> {
  const port = given === true ? TCP_PORT : Number(given);
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) throw usageError(`--serve ${given}: a TCP port`);
  const local = udpSide(DRIVERS[device], ip);
  try {
    const server = createServer().listen(port, ip);
    await once(server, 'listening');
    const bound = (server.address() as { port: number }).port;
    console.log(`waiting on ${ip}, TCP port ${bound}, with a ${device} device`);
    const [socket] = await once(server, 'connection');
    server.close();
    socket.setNoDelay(true);
    await serve(local.side, socket);
  } finally {
    local.close();
  }
}
