// infinitive run: an unmodified program finds an RDMA device.
import { writeSync } from 'node:fs';
import { Command, Option } from 'commander';
import { parseFailRule } from '../../core/fail-rule.ts';
import type { LinkKind } from '../../link/kind.ts';
import { RunError } from '../../supervisor/errors.ts';
import { attach, outerRun } from '../../supervisor/nested.ts';
import { ServiceThread } from '../../supervisor/service-thread.ts';
import { supervise } from '../../supervisor/supervise.ts';
import { addFaultOptions, type FaultFlags, faultOptions } from '../device-options.ts';
import { CliError, messageOf, usageError } from '../errors.ts';
import { parseAddress } from '../parse.ts';
import { MTUS } from '../perf/params.ts';

interface RunFlags extends FaultFlags {
  readonly ip?: readonly string[];
  readonly device?: string;
  readonly mtu?: string;
  readonly link?: LinkKind;
  readonly capture?: string;
  readonly fail?: readonly string[];
  readonly trace?: boolean;
  readonly verbose?: boolean;
}

const HELP = `
All processes that the program starts share the device; when the program ends, they are ended too. Exit code: the
program's, or 128 and the signal's number. Each run is a machine of its own, with one device: two of them on one host need
two addresses.
  infinitive run -- ibv_devinfo -v
  infinitive run -- ib_send_bw                               and in a second terminal
  infinitive run --ip 127.0.0.2 -- ib_send_bw 127.0.0.1

Rules of --fail, each with conditions after an @:
  wc:STATUS          a work request ends with the status of ibv_wc_status: wc:RNR_RETRY_EXC_ERR@qp=*,after=100
  verb:VERB=ERRNO    a verb fails: verb:create_qp=ENOMEM@after=2
  event:TYPE         an asynchronous event comes: event:PORT_ERR@in=5, event:QP_FATAL@after=1000
Conditions: after=N (the first N pass), every=N, count=N or * (how often at most; default 1), p=1%, and for wc and event
qp=NUMBER, op=SEND (or RDMA_WRITE, ...), for event in=SECONDS.

Inside of a run, "infinitive run" starts the program with the device that is there.`;

/** `service`: the thread, where it has been started already. */
export function runCommand(service: ServiceThread | null): Command {
  const command = new Command('run')
    .summary('run an unmodified program, which finds an RDMA device')
    .description(
      'Runs a program and gives it an RDMA device (rxe: RoCEv2), with no RDMA hardware, kernel module or root.',
    )
    .argument('<program...>', 'the program and its arguments, after --')
    .usage('[options] -- <program> [arguments...]')
    .passThroughOptions()
    .option(
      '--ip <address>',
      'address of this host for the device; repeat it for more (default: that of the default route)',
      (text: string, earlier: readonly string[] = []) => [...earlier, ...text.split(',').map(parseAddress)],
    )
    .option('--device <name>', 'what the device is called (default: rxe0)', parseDeviceName)
    .addOption(
      new Option('--mtu <bytes>', "largest path MTU (default: what the address's interface can carry)").choices(
        MTUS.map(String),
      ),
    )
    .addOption(
      new Option(
        '--link <kind>',
        'auto: memory to other devices of this host and user, sockets to all else; udp: sockets, which tcpdump and tc see',
      ).choices(['auto', 'udp']),
    )
    .option('--capture <file.pcapng>', 'write all packets to a file for Wireshark or tshark')
    .option('--fail <rule>', 'what shall fail on purpose, see below; repeat it for more', parseFail)
    .option('--trace', "show the programs' calls that are answered, on stderr")
    .option('--verbose', 'say more');
  return addFaultOptions(command)
    .addHelpText('after', HELP)
    .action((program, flags) => run(service, program, flags));
}

async function run(service: ServiceThread | null, program: string[], flags: RunFlags): Promise<void> {
  const { ip, device, mtu, link, capture, fail, trace = false, verbose = false, ...faults } = flags;
  try {
    const outer = outerRun();
    if (outer !== null) {
      const given = Object.keys({
        ...(ip && { ip }),
        ...(device && { device }),
        ...(mtu && { mtu }),
        ...(link && { link }),
        ...(capture && { capture }),
        ...(fail && { fail }),
        ...faults,
      });
      if (given.length > 0) {
        throw usageError(`--${given[0]}: the program is inside of the run ${outer}, and has the device of that`);
      }
      // Not console.error, which makes the pipe that the program inherits non-blocking.
      if (verbose) writeSync(2, `infinitive run: using the device of the run ${outer}\n`);
      process.exitCode = await attach(program);
      return;
    }
    process.exitCode = await supervise(service ?? new ServiceThread(), {
      command: program,
      device: {
        address: ip,
        name: device,
        mtu: mtu === undefined ? undefined : Number(mtu),
        capture,
        faults: faultOptions(faults),
        fail,
        link,
      },
      trace,
    });
  } catch (error) {
    if (!(error instanceof RunError)) throw error;
    if (error.exitCode === 1) throw new CliError(messageOf(error));
    console.error(`infinitive: ${error.message}`);
    process.exitCode = error.exitCode;
  }
}

function parseFail(text: string, earlier: readonly string[] = []): string[] {
  try {
    parseFailRule(text);
  } catch (error) {
    throw usageError(`--fail: ${messageOf(error)}`);
  }
  return [...earlier, text];
}

function parseDeviceName(text: string): string {
  // IB_DEVICE_NAME_MAX, with its NUL; it is the name of a directory of sysfs.
  if (/^[\w.-]{1,63}$/.test(text) && !/^\.+$/.test(text)) return text;
  throw usageError(`--device ${text}: a name of up to 63 letters, digits, ".", "_" and "-" is needed`);
}
