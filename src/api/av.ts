// Where a peer is, in the form that verbs want it.
import type { AddressVector } from '../core/ah.ts';
import type { Device } from '../core/device.ts';
import { VerbsError } from '../core/errors.ts';
import { gidFromText } from '../core/gid-text.ts';

export interface Destination {
  /** The peer's GID, or its address: `::ffff:192.0.2.1`, `192.0.2.1`, `fe80::1`. InfiniBand-like devices can do without. */
  readonly gid?: string;
  /** The peer's LID: what InfiniBand-like devices (hfi1, qib) send by. */
  readonly lid?: number;
  /** Service level, where there are some: 0 (the default) to 15. */
  readonly sl?: number;
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

/** -1: `gid` cannot reach `dgid`; 0: it may, another rather than this; 1: it can. */
function fitOf(gid: Uint8Array, dgid: Uint8Array | null): number {
  if (dgid === null) return isLinkLocal(gid) ? 0 : 1;
  if (isMapped(gid) !== isMapped(dgid)) return -1;
  return isLinkLocal(gid) === isLinkLocal(dgid) ? 1 : 0;
}

/** The index of a GID that can reach `dgid`; with null the first that is not link-local, or else the first. */
export function sgidIndexFor(device: Device, dgid: Uint8Array | null): number {
  let best = -1;
  let bestFit = -1;
  for (const { index, gid } of device.gids.list()) {
    const fit = fitOf(gid, dgid);
    if (fit <= bestFit) continue;
    best = index;
    bestFit = fit;
  }
  if (best >= 0) return best;
  throw new VerbsError('createAh', 'EINVAL', `device ${device.name} has no address of the peer's family`);
}

const NO_GID = new Uint8Array(16);
let latestText = '';
let latestGid: Uint8Array = NO_GID;

/** Many queue pairs may be connected to one peer: its text is read once. What comes back is only read, and copied when kept. */
function gidOf(text: string): Uint8Array {
  if (text !== latestText) {
    latestGid = gidFromText(text);
    latestText = text;
  }
  return latestGid;
}

export function addressVector(device: Device, destination: Destination): AddressVector {
  const { gid, lid, sl } = destination;
  if (gid === undefined && lid === undefined) {
    throw new VerbsError('createAh', 'EINVAL', 'a destination has a gid, or a lid, or both');
  }
  const dgid = gid === undefined ? NO_GID : gidOf(gid);
  return {
    dgid,
    sgidIndex: destination.sgidIndex ?? sgidIndexFor(device, gid === undefined ? null : dgid),
    trafficClass: destination.trafficClass ?? 0,
    hopLimit: destination.hopLimit ?? 64,
    flowLabel: 0,
    port: 1,
    sl: sl ?? 0,
    dlid: lid ?? 0,
  };
}
