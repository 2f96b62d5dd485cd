// A way through the fabric, as a subnet administrator would tell it (`struct sa_path_rec`). RoCE has none: the addresses tell.
import type { AddressVector } from '../core/ah.ts';
import type { MadAddress } from './mad-port.ts';

export interface PathRecord {
  readonly sgid: Uint8Array;
  readonly dgid: Uint8Array;
  readonly sgidIndex: number;
  readonly pkey: number;
  /** `Mtu` enumeration. */
  readonly mtu: number;
  readonly flowLabel: number;
  readonly trafficClass: number;
  readonly hopLimit: number;
  readonly sl: number;
  /** `enum ibv_rate`; 0: the port's current rate. */
  readonly rate: number;
  /** 4.096 µs times two to this. */
  readonly packetLifeTime: number;
}

export function avOf(path: PathRecord): AddressVector {
  const { dgid, sgidIndex, trafficClass, hopLimit, flowLabel, sl } = path;
  return { dgid, sgidIndex, trafficClass, hopLimit, flowLabel, port: 1, sl, dlid: 0 };
}

export function madAddressOf(path: PathRecord): MadAddress {
  const { dgid, sgidIndex, trafficClass, hopLimit, flowLabel } = path;
  return { gid: dgid, sgidIndex, trafficClass, hopLimit, flowLabel };
}
