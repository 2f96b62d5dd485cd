// infinitive devices: what there is to open, like ibv_devices.
import Table from 'cli-table3';
import { Command, Option } from 'commander';
import type { DriverName } from '../../drivers/index.ts';
import { type DeviceEntry, DRIVER_NAMES, listDevices } from '../info/devices.ts';

const HELP = `
A device lives as long as the process that opens it: what is listed is what could be opened, of each driver one for each
address. Each needs its driver's UDP port of its address. Besides 127.0.0.1 any address of 127.0.0.0/8 will do on Linux.`;

export function devicesCommand(): Command {
  return new Command('devices')
    .summary('list the devices this host could open, like ibv_devices')
    .description('Lists the RDMA devices that this host could open: of each driver one for each of its addresses.')
    .addOption(new Option('-d, --device <driver>', 'of this driver only').choices(DRIVER_NAMES))
    .option('--json', 'as JSON')
    .addHelpText('after', HELP)
    .action(async ({ device, json }: { device?: DriverName; json?: boolean }) => {
      const entries = await listDevices(device === undefined ? DRIVER_NAMES : [device]);
      console.log(json ? JSON.stringify(entries, null, 2) : asText(entries));
    });
}

function asText(entries: readonly DeviceEntry[]): string {
  // All devices of a driver lack the same.
  const lacking = new Map(entries.map(({ driver, device }) => [driver, device?.missingVerbs ?? []]));
  const notes = [...lacking].filter(([, verbs]) => verbs.length > 0);
  return [
    table(entries),
    ...notes.map(([driver, verbs]) => `${driver}: for user contexts only; it lacks ${verbs.join(', ')}`),
  ].join('\n');
}

function table(entries: readonly DeviceEntry[]): string {
  const out = new Table({
    head: ['device', 'node GUID', 'address', 'netdev', 'MTU', 'path MTU', 'LID', 'UDP port'],
    colAligns: ['left', 'left', 'left', 'left', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [], compact: true },
  });
  for (const { device, driver, address, netdev, mtu, udpPort, reason } of entries) {
    out.push([
      device?.name ?? `${driver}: -`,
      device?.nodeGuid ?? '-',
      address,
      netdev,
      mtu,
      device?.pathMtu ?? '-',
      device?.lid || '-',
      reason ?? (udpPort === 0 ? 'any' : `${udpPort}, free`),
    ]);
  }
  return out.toString();
}
