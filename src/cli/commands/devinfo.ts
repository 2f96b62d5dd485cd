// infinitive devinfo: a device's attributes, like ibv_devinfo.
import { Command } from 'commander';
import { type Device, openDevice } from '../../api/index.ts';
import { type Attribute, attributeLines, deviceAttributes, portAttributes } from '../info/attributes.ts';
import { parseAddress } from '../parse.ts';

interface DevinfoFlags {
  readonly verbose?: boolean;
  readonly ip?: string;
  readonly json?: boolean;
}

export function devinfoCommand(): Command {
  return new Command('devinfo')
    .summary("show a device's attributes, like ibv_devinfo")
    .description('Opens a device and shows its attributes and those of its port.')
    .option('-v, --verbose', 'all attributes, GIDs and P_Keys')
    .option(
      '-d, --ip <address>',
      'the address to open it on (default: the one that the default route uses)',
      parseAddress,
    )
    .option('--json', 'all attributes as JSON')
    .action(async ({ verbose, ip, json }: DevinfoFlags) => {
      await using device = await openDevice({ address: ip });
      console.log(json ? JSON.stringify(asJson(device), null, 2) : asText(device, verbose ?? false));
    });
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
  const { gids, pkeys } = device;
  return {
    name: device.name,
    driver: device.driver,
    ...plain(deviceAttributes(device, true)),
    port: { ...plain(portAttributes(device, false)), gids, pkeys },
  };
}
