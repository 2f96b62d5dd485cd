// The devices this host could open: of each driver one for each of its addresses.
import { assembleWith } from '../../api/assemble.ts';
import { mtuBytes } from '../../core/constants.ts';
import type { Device } from '../../core/device.ts';
import { gidToText } from '../../core/gid-text.ts';
import { DRIVERS, type DriverName } from '../../drivers/index.ts';
import { type LocalAddress, localAddresses } from '../../os/addresses.ts';
import { codeOf, messageOf } from '../errors.ts';

export const DRIVER_NAMES = Object.keys(DRIVERS) as DriverName[];

export interface DeviceEntry {
  readonly driver: DriverName;
  /** `--ip` of the commands that open a device. */
  readonly address: string;
  readonly netdev: string;
  /** Largest IP packet, bytes. */
  readonly mtu: number;
  /** Of the driver's packets; 0: none is its own. */
  readonly udpPort: number;
  /** What a device on it looks like; null when it cannot be opened now. */
  readonly device: {
    /** As it would be called if all were open. */
    readonly name: string;
    readonly nodeGuid: string;
    readonly gid: string;
    /** 0 where there are none. */
    readonly lid: number;
    readonly pathMtu: number;
    /** With any it is for user contexts only. */
    readonly missingVerbs: readonly string[];
  } | null;
  readonly free: boolean;
  /** Why it cannot be opened. */
  readonly reason: string | null;
}

/** `0200:00ff:7f00:0001`, as ibv_devinfo shows GUIDs. */
export const guidText = (guid: Uint8Array): string => Buffer.from(guid).toString('hex').match(/.{4}/g)!.join(':');

export const scopedText = (a: LocalAddress): string => (a.scope === 0 ? a.text : `${a.text}%${a.netdev}`);

function describe(device: Device, index: number): NonNullable<DeviceEntry['device']> {
  const { lid, activeMtu } = device.ops.queryPort(1);
  return {
    name: device.name.replace(/\d+$/, String(index)),
    nodeGuid: guidText(device.attributes.nodeGuid),
    gid: gidToText(device.gids.list()[0].gid),
    lid,
    pathMtu: mtuBytes(activeMtu),
    missingVerbs: device.missingVerbs,
  };
}

/**
 * Calls `look` with a device that is open for so long. A context is not opened: one for user contexts only would refuse it,
 * and can be looked at all the same.
 */
export async function withDevice<T>(
  driver: DriverName,
  address: string | undefined,
  look: (device: Device) => T,
): Promise<T> {
  const { machine } = await assembleWith(DRIVERS[driver], { address });
  try {
    return look(machine.device);
  } finally {
    machine.close();
  }
}

/** Opens each for a moment, which is the only way to be sure that it can be. */
export async function listDevices(drivers: readonly DriverName[] = DRIVER_NAMES): Promise<DeviceEntry[]> {
  const entries: DeviceEntry[] = [];
  for (const driver of drivers) {
    const { udpPort } = DRIVERS[driver];
    for (const [i, a] of localAddresses().entries()) {
      const address = scopedText(a);
      const common = { driver, address, netdev: a.netdev, mtu: a.mtu, udpPort };
      try {
        const device = await withDevice(driver, address, (it) => describe(it, i));
        entries.push({ ...common, device, free: true, reason: null });
      } catch (error) {
        const taken = codeOf(error) === 'EADDRINUSE';
        const reason = taken ? `UDP port ${udpPort} is in use, by another device` : messageOf(error);
        entries.push({ ...common, device: null, free: false, reason });
      }
    }
  }
  return entries;
}
