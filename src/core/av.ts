// Is an address vector one that the device can send by?
import type { AddressVector } from './ah.ts';
import { integerFault } from './check.ts';
import { LinkLayer } from './constants.ts';
import type { Device } from './device.ts';
import { gidsEqual, gidToText, isIpv4Gid, isZeroGid } from './gid-text.ts';

/** A sentence that names the field and what is allowed, or null. */
export function addressVectorFault(device: Device, av: AddressVector): string | null {
  const number =
    integerFault('av.port', av.port, 1, device.attributes.physPortCnt) ??
    integerFault('av.sl', av.sl, 0, 15) ??
    integerFault('av.dlid', av.dlid, 0, 0xffff) ??
    integerFault('av.trafficClass', av.trafficClass, 0, 0xff) ??
    integerFault('av.hopLimit', av.hopLimit, 0, 0xff) ??
    integerFault('av.flowLabel', av.flowLabel, 0, 0xfffff) ??
    integerFault('av.sgidIndex', av.sgidIndex, 0, device.gids.length - 1);
  if (number !== null) return number;
  if (!(av.dgid instanceof Uint8Array) || av.dgid.length !== 16) return 'av.dgid is not 16 bytes';
  const infiniband = device.ops.queryPort(1).linkLayer === LinkLayer.INFINIBAND;
  // What InfiniBand addresses by is the LID; a GID (the GRH) may be left out within a subnet (IBTA 8.4.2).
  if (infiniband && av.dlid === 0) return 'av.dlid is 0, which addresses nobody';
  if (infiniband && isZeroGid(av.dgid)) return null;
  if (isZeroGid(av.dgid)) return 'av.dgid is all zeros, which addresses nobody';
  const source = device.gids.at(av.sgidIndex);
  if (source === null) return `av.sgidIndex is ${av.sgidIndex}, where the GID table of ${device.name} has no entry`;
  // RoCE v2 sends IP packets: both ends of one are of one family (annex A17.4.5.1).
  if (!infiniband && isIpv4Gid(av.dgid) !== isIpv4Gid(source.gid)) {
    return `av.dgid ${gidToText(av.dgid)} cannot be reached from av.sgidIndex ${av.sgidIndex}, which is ${gidToText(source.gid)}`;
  }
  return null;
}

/** An address vector of one's own, that its giver cannot change. */
export function copyAv(av: AddressVector): AddressVector {
  return { ...av, dgid: Uint8Array.from(av.dgid) };
}

let latest: AddressVector | null = null;

/** {@link copyAv} for one that is only read from then on: many queue pairs go the same way, and share it. */
export function sharedAv(av: AddressVector): AddressVector {
  if (latest === null || !sameWay(latest, av)) latest = copyAv(av);
  return latest;
}

function sameWay(a: AddressVector, b: AddressVector): boolean {
  return (
    a.sgidIndex === b.sgidIndex &&
    a.trafficClass === b.trafficClass &&
    a.hopLimit === b.hopLimit &&
    a.flowLabel === b.flowLabel &&
    a.port === b.port &&
    a.sl === b.sl &&
    a.dlid === b.dlid &&
    gidsEqual(a.dgid, b.dgid)
  );
}
