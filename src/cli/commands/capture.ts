// infinitive capture: what is in a capture file, as RDMA people read it.
import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { readCapture } from '../../wire/read-capture.ts';
import { CliError, codeOf, messageOf } from '../errors.ts';
import { chosenRows } from '../ladder/ladder.ts';
import { ladderLines } from '../ladder/text.ts';
import { parseInteger } from '../parse.ts';

interface ShowFlags {
  readonly qp?: number;
  readonly limit?: number;
  readonly json?: boolean;
}

const HELP = `
One line for each RoCEv2 packet: number, seconds, direction, opcode, destination QPN, PSN (counted from the first of its
connection's direction, and as it is), bytes of payload, flags, the AETH, what it answers. Behind ** is what is odd:
retransmissions, gaps in the PSNs and what fills them, duplicates, bad ICRCs. READs are counted with the path MTU that the
capture shows; where it shows none, with 4096 bytes.`;

export function captureCommand(): Command {
  return new Command('capture')
    .summary('show the packets of a pcap or pcapng file as a ladder')
    .description('Capture files: what "perf --capture", tcpdump or Wireshark have written.')
    .addCommand(showCommand());
}

function showCommand(): Command {
  return new Command('show')
    .description('Shows the RoCEv2 packets of a pcap or pcapng file as a ladder between two hosts.')
    .argument('<file>', 'pcap or pcapng')
    .option('--qp <qpn>', 'only packets to or from this queue pair, as 17 or 0x11', parseQpn)
    .option('--limit <n>', 'at most so many packets', parseInteger(1, 1e9))
    .option('--json', 'the rows as a JSON array')
    .addHelpText('after', HELP)
    .action(show);
}

function show(path: string, flags: ShowFlags): void {
  const { packets, error } = readCapture(read(path));
  if (packets.length === 0 && error !== null) throw new CliError(`${path}: ${error.message}`);
  const rows = chosenRows(packets, { qpn: flags.qp, limit: flags.limit });
  if (flags.json) console.log(rows.length === 0 ? '[]' : `[\n${rows.map((row) => JSON.stringify(row)).join(',\n')}\n]`);
  else if (rows.length > 0) console.log(ladderLines(rows).join('\n'));
  if (error !== null) console.error(`infinitive: ${path} ends early: ${error.message}`);
  if (rows.length === 0) console.error(`infinitive: ${path} has no such RoCEv2 packets among its ${packets.length}`);
}

function parseQpn(text: string): number {
  const value = /^(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!(value <= 0xffffff)) throw new InvalidArgumentError('A queue pair number is needed: 17 or 0x11.');
  return value;
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new CliError(codeOf(error) === 'ENOENT' ? `${path} does not exist` : messageOf(error));
  }
}
