// infinitive devices: what there is to open, like ibv_devices.
import Table from 'cli-table3';
import { Command } from 'commander';
import { type DeviceEntry, listDevices } from '../info/devices.ts';

const HELP = `
A device lives as long as the process that opens it: what is listed is what could be opened, one for each address. Each
needs UDP port 4791 of its address. Besides 127.0.0.1 any address of 127.0.0.0/8 will do on Linux.`;

export function devicesCommand(): Command {
  return new Command('devices')
    .summary('list the devices this host could open, like ibv_devices')
    .description('Lists the RDMA devices that this host could open: one for each of its addresses.')
    .option('--json', 'as JSON')
    .addHelpText('after', HELP)
    .action(async ({ json }: { json?: boolean }) => {
      const entries = await listDevices();
      console.log(json ? JSON.stringify(entries, null, 2) : table(entries));
    });
}

function table(entries: readonly DeviceEntry[]): string {
  const out = new Table({
    head: ['device', 'node GUID', 'address', 'netdev', 'MTU', 'path MTU', 'UDP port 4791'],
    colAligns: ['left', 'left', 'left', 'left', 'right', 'right', 'left'],
    style: { head: [], border: [], compact: true },
  });
  for (const [i, { device, address, netdev, mtu, free, reason }] of entries.entries()) {
    out.push([
      device === null ? '-' : `${device.driver}${i}`,
      device?.nodeGuid ?? '-',
      address,
      netdev,
      mtu,
      device?.pathMtu ?? '-',
      free ? 'free' : (reason ?? ''),
    ]);
  }
  return out.toString();
}
