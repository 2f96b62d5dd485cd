// The devices this host could open: one for each of its addresses.
import { type Device, openDevice } from '../../api/index.ts';
import { type LocalAddress, localAddresses } from '../../os/addresses.ts';
import { codeOf, messageOf } from '../errors.ts';

export interface DeviceEntry {
  /** `--ip` of the commands that open a device. */
  readonly address: string;
  readonly netdev: string;
  /** Largest IP packet, bytes. */
  readonly mtu: number;
  /** What a device on it looks like; null when it cannot be opened now. */
  readonly device: {
    readonly driver: string;
    readonly nodeGuid: string;
    readonly gid: string;
    readonly pathMtu: number;
  } | null;
  readonly free: boolean;
  /** Why it cannot be opened. */
  readonly reason: string | null;
}

/** `0200:00ff:7f00:0001`, as ibv_devinfo shows GUIDs. */
export const guidText = (guid: Uint8Array): string => Buffer.from(guid).toString('hex').match(/.{4}/g)!.join(':');

export const scopedText = (a: LocalAddress): string => (a.scope === 0 ? a.text : `${a.text}%${a.netdev}`);

function describe(device: Device): NonNullable<DeviceEntry['device']> {
  return {
    driver: device.driver,
    nodeGuid: guidText(device.query().nodeGuid),
    gid: device.gids[0].gid,
    pathMtu: device.mtu,
  };
}

/** Opens each address for a moment, which is the only way to be sure that it can be. */
export async function listDevices(link?: 'udp' | 'dgram'): Promise<DeviceEntry[]> {
  const entries: DeviceEntry[] = [];
  for (const a of localAddresses()) {
    const address = scopedText(a);
    const common = { address, netdev: a.netdev, mtu: a.mtu };
    try {
      await using device = await openDevice({ address, link });
      entries.push({ ...common, device: describe(device), free: true, reason: null });
    } catch (error) {
      const taken = codeOf(error) === 'EADDRINUSE';
      const reason = taken ? 'UDP port 4791 is in use, by another device' : messageOf(error);
      entries.push({ ...common, device: null, free: false, reason });
    }
  }
  return entries;
}
