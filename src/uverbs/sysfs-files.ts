// What sysfs says of a device: each file's path under the device's directory, and its text (drivers/infiniband/core/sysfs.c).
import { LinkLayer, nameOf, PortState } from '../core/constants.ts';
import type { Device } from '../core/device.ts';
import { gidToSysfs } from '../core/gid-text.ts';
import type { UserAbi } from '../core/user-abi.ts';

/** Gives the text of a file; null while there is none. */
export type Text = () => string | null;

const PHYS_STATES = ['', 'Sleep', 'Polling', 'Disabled', 'PortConfigurationTraining', 'LinkUp', 'LinkErrorRecovery'];
/** Lanes by `enum ib_port_width`, tenths of Gbit/s and name by `enum ib_port_speed`. */
const LANES: Readonly<Record<number, number>> = { 1: 1, 2: 4, 4: 8, 8: 12, 16: 2 };
const SPEEDS: Readonly<Record<number, readonly [number, string]>> = {
  1: [25, 'SDR'],
  2: [50, 'DDR'],
  4: [100, 'QDR'],
  8: [100, 'FDR10'],
  16: [140, 'FDR'],
  32: [250, 'EDR'],
  64: [500, 'HDR'],
  128: [1000, 'NDR'],
};
const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;

/** `5054:00ff:fe12:3456` */
function guidText(guid: Uint8Array): string {
  return Buffer.from(guid)
    .toString('hex')
    .replace(/....(?=.)/g, '$&:');
}

function rateText(width: number, speed: number): string {
  const [tenths, name] = SPEEDS[speed] ?? SPEEDS[1];
  const lanes = LANES[width] ?? 1;
  const rate = tenths * lanes;
  return `${Math.floor(rate / 10)}${rate % 10 === 0 ? '' : '.5'} Gb/sec (${lanes}X ${name})`;
}

/** Under /sys/class/infiniband/NAME. */
export function deviceFiles(device: Device, abi: UserAbi): Map<string, Text> {
  const attr = device.attributes;
  const netdev = device.ops.queryPort(1).netdev;
  const files = new Map<string, Text>([
    ['node_type', () => '1: CA'],
    ['node_guid', () => guidText(attr.nodeGuid)],
    ['sys_image_guid', () => guidText(attr.sysImageGuid)],
    ['node_desc', () => device.driver],
    ['fw_ver', () => attr.fwVer],
    // The interface that a software device sends by.
    ['parent', () => netdev],
  ]);
  for (const [path, text] of portFiles(device, abi)) files.set(`ports/1/${path}`, text);
  return files;
}

function portFiles(device: Device, abi: UserAbi): Map<string, Text> {
  const port = (): ReturnType<Device['ops']['queryPort']> => device.ops.queryPort(1);
  const files = new Map<string, Text>([
    ['state', () => `${port().state}: ${nameOf(PortState, port().state)}`],
    ['phys_state', () => `${port().physState}: ${PHYS_STATES[port().physState] ?? '<unknown>'}`],
    ['rate', () => rateText(port().activeWidth, port().activeSpeed)],
    ['lid', () => hex(port().lid, 1)],
    ['lid_mask_count', () => `${port().lmc}`],
    ['sm_lid', () => hex(port().smLid, 1)],
    ['sm_sl', () => `${port().smSl}`],
    ['cap_mask', () => hex(port().portCapFlags >>> 0, 8)],
    ['link_layer', () => (port().linkLayer === LinkLayer.ETHERNET ? 'Ethernet' : 'InfiniBand')],
  ]);
  for (let i = 0; i < device.pkeys.length; i++) files.set(`pkeys/${i}`, () => hex(device.pkeys.entries[i], 4));
  const { gids } = device;
  const none = new Uint8Array(16);
  for (let i = 0; i < gids.length; i++) {
    files.set(`gids/${i}`, () => gidToSysfs(gids.at(i)?.gid ?? none));
    // Linux lists these for all indices, and reading one without a GID fails with EINVAL. A file cannot be made to do that:
    // here it is not there, ENOENT. (What libibverbs asks by ioctl, as it does first, is answered as Linux does.)
    files.set(`gid_attrs/types/${i}`, () => gids.at(i)?.type ?? null);
    files.set(`gid_attrs/ndevs/${i}`, () => gids.at(i)?.netdev || null);
  }
  for (const name of Object.keys(abi.hwCounters())) files.set(`hw_counters/${name}`, () => `${abi.hwCounters()[name]}`);
  for (const name of Object.keys(abi.portCounters()))
    files.set(`counters/${name}`, () => `${abi.portCounters()[name]}`);
  return files;
}
