// Options about the own device, common to the commands that open one.
import { type Command, Option } from 'commander';
import type { DriverName } from '../drivers/index.ts';
import type { FaultOptions } from '../link/faults.ts';
import { LINK_KINDS, type LinkKind } from '../link/kind.ts';
import { parseAddress, parseInteger, parseNumber, parseProbability } from './parse.ts';
import type { DeviceOptions } from './perf/options.ts';

export interface DeviceFlags extends FaultFlags {
  readonly ip?: string;
  readonly device?: DriverName;
  readonly link?: LinkKind;
  readonly capture?: string;
}

export interface FaultFlags {
  readonly loss?: number;
  readonly duplicate?: number;
  readonly reorder?: number;
  readonly corrupt?: number;
  readonly delay?: number;
  readonly seed?: number;
}

export const DEVICE_GROUP = "This end's device:";
const FAULTS = 'Faults made on purpose at this end, on what it sends and receives:';

export function addDeviceOptions(command: Command): Command {
  command
    .optionsGroup(DEVICE_GROUP)
    .option(
      '--ip <address>',
      'address of this host for the RDMA device (UDP port 4791 of it must be free)',
      parseAddress,
    )
    .addOption(
      new Option(
        '--link <kind>',
        'auto: memory to devices of this host and user, else sockets; udp: Linux sockets, batched; dgram: node:dgram, on any system',
      ).choices(LINK_KINDS),
    )
    .option('--capture <file.pcapng>', 'write all packets to a file for Wireshark or tshark');
  return addFaultOptions(command);
}

/** Faults that packets meet. */
export function addFaultOptions(command: Command): Command {
  return command
    .optionsGroup(FAULTS)
    .option('--loss <p>', 'probability that a packet is lost: 0.01 or 1%', parseProbability)
    .option('--duplicate <p>', 'probability that it comes twice', parseProbability)
    .option('--reorder <p>', 'probability that later ones overtake it', parseProbability)
    .option('--corrupt <p>', 'probability that bits of it are flipped', parseProbability)
    .option('--delay <us>', 'delay of each packet in microseconds', parseNumber(0, 1e7))
    .option('--seed <n>', 'another seed gives other faults', parseInteger(0, 0xffffffff));
}

export function deviceOptions(flags: DeviceFlags): DeviceOptions {
  const { ip, device, link, capture } = flags;
  return { ip, driver: device, link, capture, faults: faultOptions(flags) };
}

/** Undefined when none is asked for. */
export function faultOptions(flags: FaultFlags): FaultOptions | undefined {
  const { loss, duplicate, reorder, corrupt, delay, seed } = flags;
  const given = Object.entries({ loss, duplicate, reorder, corrupt, delayUs: delay }).filter(
    ([, v]) => v !== undefined,
  );
  return given.length === 0 ? undefined : { ...Object.fromEntries(given), ...(seed === undefined ? {} : { seed }) };
}
