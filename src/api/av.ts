// Where a peer is, in the form that verbs want it.
import type { AddressVector } from '../core/ah.ts';
import type { Device } from '../core/device.ts';
import { VerbsError } from '../core/errors.ts';

export interface Destination {
  /** The peer's GID, or its address: `::ffff:192.0.2.1`, `192.0.2.1`, `fe80::1`. */
  readonly gid: string;
  /** Default: the first GID of the device that has the peer's address family. */
  readonly sgidIndex?: number;
  readonly trafficClass?: number;
  readonly hopLimit?: number;
}

const isMapped = (gid: Uint8Array): boolean => {
  for (let i = 0; i < 10; i++) if (gid[i] !== 0) return false;
  return gid[10] === 0xff && gid[11] === 0xff;
};
const isLinkLocal = (gid: Uint8Array): boolean => gid[0] === 0xfe && (gid[1] & 0xc0) === 0x80;

/** The index of a GID that can reach `dgid`; with null the first that is not link-local, or else the first. */
export function sgidIndexFor(device: Device, dgid: Uint8Array | null): number {
  const entries = device.gids.list();
  const fits =
    dgid === null
      ? entries.find((e) => !isLinkLocal(e.gid))
      : (entries.find((e) => isMapped(e.gid) === isMapped(dgid) && isLinkLocal(e.gid) === isLinkLocal(dgid)) ??
        entries.find((e) => isMapped(e.gid) === isMapped(dgid)));
  if (fits !== undefined) return fits.index;
  if (dgid === null && entries.length > 0) return entries[0].index;
  throw new VerbsError('createAh', 'EINVAL', `device ${device.name} has no address of the peer's family`);
}

export function addressVector(device: Device, dgid: Uint8Array, destination: Destination): AddressVector {
  return {
    dgid,
    sgidIndex: destination.sgidIndex ?? sgidIndexFor(device, dgid),
    trafficClass: destination.trafficClass ?? 0,
    hopLimit: destination.hopLimit ?? 64,
    flowLabel: 0,
    port: 1,
    sl: 0,
    dlid: 0,
  };
}
