// infinitive perf: measures bandwidth and latency between two processes, as perftest does.
import { Command, Option } from 'commander';
import { addDeviceOptions, DEVICE_GROUP, type DeviceFlags, deviceOptions } from '../device-options.ts';
import { messageOf, usageError } from '../errors.ts';
import { parseInteger, parseNumber, parsePort, parseSize } from '../parse.ts';
import { runPerfClient } from '../perf/client.ts';
import { DEFAULT_PORT } from '../perf/options.ts';
import {
  ATOMICS,
  CONNECTIONS,
  MAX_INLINE,
  MAX_QPS,
  MTUS,
  OPERATIONS,
  type PerfChoices,
  type PerfParams,
  perfParams,
} from '../perf/params.ts';
import { heading, tableHead, tableRow } from '../perf/print.ts';
import { Progress } from '../perf/progress.ts';
import { runPerfServer } from '../perf/server.ts';
import { interruption } from '../signals.ts';

type PerfFlags = PerfChoices &
  DeviceFlags & {
    readonly port: number;
    readonly persist?: boolean;
    readonly warmUp: number;
    readonly json?: boolean;
    readonly reportGbits?: boolean;
  };

const HELP = `
Two terminals of one host:
  $ infinitive perf                        the server; serves one client
  $ infinitive perf 127.0.0.1 --op write   the client

Two hosts: the same, with the server's address or name. The client says what is measured; options of
the server are needed only for its own device, or to refuse clients that ask for something else.

Addresses: a device has one address with UDP port 4791. Without --ip the server's device takes the address
that the client has connected to, and the client's the one it connects from; if both are on one host
they take loopback addresses that are free (127.0.0.1, 127.0.0.2 and so on).

Latency of SEND and WRITE is half a round trip, of READ and atomics a whole one, as in perftest. With -a and no -n
large messages are sent less often. UD and UC bandwidth is what the receiver got. MiB is 2^20 bytes, Gb 10^9 bits.`;

export function perfCommand(): Command {
  const command = new Command('perf')
    .summary('measure bandwidth and latency between two processes, as perftest does')
    .description(
      'Measures bandwidth and latency between two processes, as perftest does: without a host it is the server.',
    )
    .argument('[host]', 'where the server is: an address or a name')
    .optionsGroup('What is measured (by the client):')
    .addOption(new Option('-o, --op <operation>', 'operation (default: send)').choices(OPERATIONS))
    .addOption(new Option('--atomic <kind>', 'with --op atomic (default: fetch_and_add)').choices(ATOMICS))
    .option('--lat', 'latency instead of bandwidth')
    .addOption(new Option('-c, --connection <type>', 'transport (default: rc)').choices(CONNECTIONS))
    .option(
      '-s, --size <bytes>',
      'message size, as 64, 4k or 1m (default: 65536, UD the path MTU, latency 2)',
      parseSize,
    )
    .option('-a, --all', 'all sizes from 2 bytes to 8 MiB')
    .option('-n, --iters <n>', 'messages per QP (default: 5000, latency 1000)', parseInteger(1, 1e9))
    .option('-D, --duration <seconds>', 'measure for so long instead', parseNumber(0.01, 86400))
    .option('-q, --qp <n>', 'number of queue pairs (default: 1)', parseInteger(1, MAX_QPS))
    .option('-t, --tx-depth <n>', 'send requests outstanding per QP (default: 128)', parseInteger(1, 16384))
    .option('-r, --rx-depth <n>', 'receive requests posted per QP (default: 512)', parseInteger(1, 16384))
    .addOption(new Option('-m, --mtu <bytes>', 'path MTU (default: the largest possible)').choices(MTUS.map(String)))
    .option('-b, --bidirectional', 'bandwidth in both directions at once')
    .option('-e, --events', 'wait for completions (await) instead of polling')
    .option('-I, --inline <bytes>', 'post messages up to this size inline (default: 0)', parseInteger(0, MAX_INLINE))
    .option('-w, --warm-up <seconds>', 'do the same unmeasured before', parseNumber(0, 3600), 0.3)
    .option('--verify', 'check that the data arrives as it was sent')
    .optionsGroup('The exchange:')
    .option('-p, --port <port>', 'TCP port of the server', parsePort, DEFAULT_PORT)
    .option('--persist', 'server: serve one client after the other');
  addDeviceOptions(command)
    .optionsGroup(DEVICE_GROUP)
    .addOption(
      new Option('-d, --device <driver>', 'its driver, the same at both ends (default: rxe)').choices([
        'rxe',
        'hfi1',
        'qib',
      ]),
    )
    .optionsGroup('Output:')
    .option('--report-gbits', 'Gb/s instead of MiB/s')
    .option('--json', 'the result as JSON');
  return command.addHelpText('after', HELP).action(async (host: string | undefined, _flags, self: Command) => {
    const flags = normalized(self.opts());
    if (host === undefined) await serve(self, flags);
    else await measure(host, flags);
  });
}

/** Commander's names and strings to those of the parameters. */
function normalized(flags: PerfFlags & { qp?: number; mtu?: unknown }): PerfFlags {
  const { qp, mtu, ...rest } = flags;
  return { ...rest, qps: qp, mtu: mtu === undefined ? undefined : Number(mtu) };
}

async function measure(host: string, flags: PerfFlags): Promise<void> {
  const params = perfParams(flags);
  const gbits = flags.reportGbits ?? false;
  const progress = new Progress();
  const say = (text: string): void => {
    progress.stop();
    if (!flags.json) console.log(text);
  };
  try {
    const result = await runPerfClient({
      ...deviceOptions(flags),
      host,
      port: flags.port,
      params,
      warmUp: flags.warmUp,
      signal: interruption(),
      onConnected: (local, remote) => say(`${heading(params, local, remote)}\n\n${tableHead(params, gbits)}`),
      onStart: (size, iters, count) => progress.start(size, iters * params.qps, params.duration, count),
      onRow: (row) => say(tableRow(params, row, gbits)),
    });
    progress.stop();
    if (flags.json) console.log(JSON.stringify(result, null, 2));
    if (result.rows.some((row) => row.verified === false)) {
      console.error('infinitive: data arrived other than it was sent');
      process.exitCode = 1;
    }
  } finally {
    progress.stop();
  }
}

async function serve(command: Command, flags: PerfFlags): Promise<void> {
  const gbits = flags.reportGbits ?? false;
  const say = (text: string): void => {
    if (!flags.json) console.log(text);
  };
  if (flags.persist && flags.capture !== undefined && flags.ip === undefined) {
    throw usageError('--capture with --persist needs --ip, so that one device, and one file, serves all clients');
  }
  let served: PerfParams | null = null;
  await runPerfServer({
    ...deviceOptions(flags),
    port: flags.port,
    persist: flags.persist,
    expected: expectedParams(command, flags),
    signal: interruption(),
    onListening: (port) => {
      if (flags.json) console.log(JSON.stringify({ listening: port }));
      else
        console.log(
          `Waiting for a client on TCP port ${port}: infinitive perf ${flags.ip ?? 'ADDRESS'}${port === DEFAULT_PORT ? '' : ` -p ${port}`}`,
        );
    },
    onClient: (params, local, remote) => {
      served = params;
      say(`\n${heading(params, local, remote)}\n\n${tableHead(params, gbits)}`);
    },
    onRow: (row) => {
      if (flags.json) console.log(JSON.stringify({ row }));
      else if (served !== null) console.log(tableRow(served, row, gbits));
    },
    onEnd: (failure) => {
      if (failure !== null && flags.persist) console.error(`infinitive: ${messageOf(failure)}`);
    },
  });
}

const PARAMS = [
  'op',
  'atomic',
  'lat',
  'connection',
  'iters',
  'duration',
  'txDepth',
  'rxDepth',
  'bidirectional',
  'events',
  'inline',
  'verify',
] as const;

/** What was given on the server's command line, and therefore must be what the client asks for. */
function expectedParams(command: Command, flags: PerfFlags): Partial<PerfParams> {
  const expected: Record<string, unknown> = {};
  for (const name of PARAMS) if (command.getOptionValueSource(name) === 'cli') expected[name] = flags[name];
  if (flags.qps !== undefined) expected.qps = flags.qps;
  if (flags.mtu !== undefined) expected.mtu = flags.mtu;
  if (flags.size !== undefined || flags.all) expected.sizes = perfParams({ ...flags, iters: undefined }).sizes;
  return expected;
}
