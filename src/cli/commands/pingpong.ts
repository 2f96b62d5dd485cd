// infinitive pingpong: ping-pong between two processes; the other may be ibv_rc_pingpong and its siblings.
import { Command, Option } from 'commander';
import { addDeviceOptions, type DeviceFlags, deviceOptions } from '../device-options.ts';
import { CliError, usageError } from '../errors.ts';
import { parseInteger, parsePort, parseSize } from '../parse.ts';
import { DEFAULT_PORT } from '../perf/options.ts';
import { MTUS } from '../perf/params.ts';
import type { Destination } from '../pingpong/exchange.ts';
import { type PingpongType, runPingpong } from '../pingpong/run.ts';

interface PingpongFlags extends DeviceFlags {
  readonly type: PingpongType;
  readonly port: number;
  readonly size?: number;
  readonly mtu: string;
  readonly rxDepth: number;
  readonly iters: number;
  readonly events?: boolean;
  readonly gidIdx: number;
  readonly numQp: number;
  readonly chk?: boolean;
}

const HELP = `
Both ends must be given the same type, size, MTU, iterations (and -q for srq). Either end may be the program of that
type from rdma-core, on an rxe device or a NIC:
  other host$ ibv_rc_pingpong -g 1
  this host$  infinitive pingpong -t rc OTHER-HOST

Two terminals of one host: infinitive pingpong, then infinitive pingpong 127.0.0.1. For addresses see "infinitive perf --help".`;

export function pingpongCommand(): Command {
  const command = new Command('pingpong')
    .summary('ping-pong with another process, or with ibv_rc_pingpong and its siblings')
    .description(
      'A ping-pong over RC, UC, UD or an SRQ; without a host it is the server. The other side may be ibv_*_pingpong.',
    )
    .argument('[host]', 'where the server is: an address or a name')
    .optionsGroup('Ping-pong (options of ibv_*_pingpong):')
    .addOption(
      new Option('-t, --type <type>', 'which of the programs').choices(['rc', 'uc', 'ud', 'srq']).default('rc'),
    )
    .option('-p, --port <port>', 'TCP port to listen on or connect to', parsePort, DEFAULT_PORT)
    .option('-s, --size <bytes>', 'message size (default: 4096, UD 1024)', parseSize)
    .addOption(new Option('-m, --mtu <bytes>', 'path MTU; not for UD').choices(MTUS.map(String)).default('1024'))
    .option('-r, --rx-depth <n>', 'receive requests to post at a time', parseInteger(1, 16384), 500)
    .option('-n, --iters <n>', 'exchanges', parseInteger(1, 1e9), 1000)
    .option('-q, --num-qp <n>', 'queue pairs, for srq', parseInteger(1, 255), 16)
    .option('-e, --events', 'sleep until a completion comes instead of polling')
    .option('-g, --gid-idx <index>', 'index of the own GID', parseInteger(0, 127), 0)
    .option('-c, --chk', 'check the data received; give it to the client too');
  return addDeviceOptions(command).addHelpText('after', HELP).action(pingpong);
}

async function pingpong(host: string | undefined, flags: PingpongFlags): Promise<void> {
  const { type, port, mtu, rxDepth, iters, gidIdx, numQp } = flags;
  if (type === 'srq' && numQp > rxDepth) {
    throw usageError(`--rx-depth ${rxDepth} is too few for ${numQp} queue pairs: each needs a receive request`);
  }
  const result = await runPingpong({
    ...deviceOptions(flags),
    type,
    host,
    port,
    size: flags.size ?? (type === 'ud' ? 1024 : 4096),
    mtu: Number(mtu),
    rxDepth,
    iters,
    events: flags.events ?? false,
    gidIndex: gidIdx,
    qps: numQp,
    check: flags.chk ?? false,
    onListening: (listening) => console.log(`Waiting for a client on TCP port ${listening}`),
    onAddress: (which, destination) => console.log(addressLine(which, destination)),
  });
  const { bytes, seconds, wrongAt } = result;
  console.log(`${bytes} bytes in ${seconds.toFixed(2)} seconds = ${((bytes * 8) / seconds / 1e6).toFixed(2)} Mbit/sec`);
  console.log(`${iters} iters in ${seconds.toFixed(2)} seconds = ${((seconds * 1e6) / iters).toFixed(2)} usec/iter`);
  if (wrongAt === -1) console.log('data is as it was sent');
  else if (wrongAt !== null) {
    throw new CliError(`invalid data at byte ${wrongAt} (did the client have --chk, too?)`);
  }
}

function addressLine(which: string, { lid, qpn, psn, gid }: Destination): string {
  const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;
  return `  ${`${which} address:`.padEnd(15)} LID ${hex(lid, 4)}, QPN ${hex(qpn, 6)}, PSN ${hex(psn, 6)}, GID ${gid}`;
}
