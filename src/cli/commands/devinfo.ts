// infinitive devinfo: a device's attributes, like ibv_devinfo.
import { isIP } from 'node:net';
import { Command, InvalidArgumentError } from 'commander';
import type { Device } from '../../core/device.ts';
import { gidToText } from '../../core/gid-text.ts';
import type { DriverName } from '../../drivers/index.ts';
import { usageError } from '../errors.ts';
import { type Attribute, attributeLines, deviceAttributes, portAttributes } from '../info/attributes.ts';
import { DRIVER_NAMES, withDevice } from '../info/devices.ts';
import { parseAddress } from '../parse.ts';

interface DevinfoFlags {
  readonly device?: { readonly driver: DriverName } | { readonly address: string };
  readonly ip?: string;
  readonly verbose?: boolean;
  readonly json?: boolean;
}

export function devinfoCommand(): Command {
  return new Command('devinfo')
    .summary("show a device's attributes, like ibv_devinfo")
    .description('Opens a device and shows its attributes and those of its port.')
    .option('-v, --verbose', 'all attributes, GIDs and P_Keys')
    .option(
      '-d, --device <driver|address>',
      `of which driver: ${DRIVER_NAMES.join(', ')} (default: rxe); or on which address`,
      parseDevice,
    )
    .option('--ip <address>', 'the address to open it on (default: the one that the default route uses)', parseAddress)
    .option('--json', 'all attributes as JSON')
    .action(async ({ verbose = false, device = { driver: 'rxe' }, ip, json }: DevinfoFlags) => {
      if ('address' in device && ip !== undefined) throw usageError('--ip, and -d with an address: one of them');
      const driver = 'driver' in device ? device.driver : 'rxe';
      const address = 'address' in device ? device.address : ip;
      console.log(
        await withDevice(driver, address, (it) => (json ? JSON.stringify(asJson(it), null, 2) : asText(it, verbose))),
      );
    });
}

function parseDevice(text: string): NonNullable<DevinfoFlags['device']> {
  const driver = DRIVER_NAMES.find((name) => name === text);
  if (driver !== undefined) return { driver };
  if (isIP(text) !== 0) return { address: text };
  throw new InvalidArgumentError(`There are ${DRIVER_NAMES.join(', ')}; or an address, as 192.0.2.1.`);
}

function asText(device: Device, all: boolean): string {
  return [
    `hca_id: ${device.name}`,
    ...attributeLines(deviceAttributes(device, all), '  '),
    '    port: 1',
    ...attributeLines(portAttributes(device, all), '      '),
  ].join('\n');
}

function asJson(device: Device): object {
  const plain = (attributes: readonly Attribute[]): object => Object.fromEntries(attributes);
  const gids = device.gids.list().map(({ index, gid, type }) => ({ index, gid: gidToText(gid), type }));
  return {
    name: device.name,
    driver: device.driver,
    ...plain(deviceAttributes(device, true)),
    port: { ...plain(portAttributes(device, false)), gids, pkeys: [...device.pkeys.entries] },
  };
}
