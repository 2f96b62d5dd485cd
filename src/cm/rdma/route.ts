// Which way to a destination: on RoCE the addresses tell all that a subnet administrator would (`cma_resolve_iboe_route`).
import { gidFromAddress } from '../../core/gid-text.ts';
import type { Gsi } from '../gsi.ts';
import type { IbCm } from '../ib/cm.ts';
import type { PathRecord } from '../path.ts';
import { isAny, type SockAddr, sameBytes } from './sockaddr.ts';

/** A device with its connection manager. */
export interface CmDevice {
  readonly gsi: Gsi;
  readonly ib: IbCm;
}

export interface LocalEnd {
  readonly device: CmDevice;
  readonly sgidIndex: number;
  readonly address: Uint8Array;
}

/** `CMA_IBOE_PACKET_LIFETIME` of Linux 6.1: a second, there. */
export const PACKET_LIFE_TIME = 18;
const HOP_LIMIT = 64;

const commonBits = (a: Uint8Array, b: Uint8Array): number => {
  for (let i = 0; i < a.length; i++) {
    const diff = a[i] ^ b[i];
    if (diff !== 0) return i * 8 + Math.clz32(diff) - 24;
  }
  return a.length * 8;
};

/** The end with this very address. */
export function localEnd(devices: readonly CmDevice[], address: Uint8Array): LocalEnd | null {
  for (const device of devices) {
    for (const { index, address: own } of device.gsi.device.gids.list()) {
      if (sameBytes(own.bytes, address)) return { device, sgidIndex: index, address: own.bytes };
    }
  }
  return null;
}

/**
 * The end that a connection to `dst` starts from: `src` where one is given, the destination itself when it is ours (as a host
 * speaks to its own addresses), else the address most like it.
 */
export function endFor(devices: readonly CmDevice[], src: Uint8Array | null, dst: Uint8Array): LocalEnd | null {
  if (src !== null && !isAny(src)) return localEnd(devices, src);
  let best: LocalEnd | null = null;
  let most = -1;
  for (const device of devices) {
    for (const { index, address } of device.gsi.device.gids.list()) {
      if (address.bytes.length !== dst.length) continue;
      const bits = commonBits(address.bytes, dst);
      if (bits <= most) continue;
      most = bits;
      best = { device, sgidIndex: index, address: address.bytes };
    }
  }
  return best;
}

/** As Linux's `cma_get_roce_udp_flow_label` makes one of the two ports, so that switches see flows. */
export function flowLabelOf(srcPort: number, dstPort: number): number {
  return (srcPort * 31 + dstPort) & 0xfffff;
}

export interface RouteOptions {
  readonly tos: number;
  /** Local ACK timeout, where one is set; else null. */
  readonly ackTimeout: number | null;
}

export function routeOf(end: LocalEnd, src: SockAddr, dst: SockAddr, options: RouteOptions): PathRecord {
  const { device } = end.device.gsi;
  return {
    sgid: device.gids.at(end.sgidIndex)!.gid,
    dgid: gidFromAddress(dst.address),
    sgidIndex: end.sgidIndex,
    pkey: device.pkeys.entries[0],
    mtu: device.ops.queryPort(1).activeMtu,
    flowLabel: flowLabelOf(src.port, dst.port),
    trafficClass: options.tos,
    hopLimit: HOP_LIMIT,
    sl: 0,
    rate: 0,
    packetLifeTime: options.ackTimeout === null ? PACKET_LIFE_TIME : Math.max(0, options.ackTimeout - 1),
  };
}

/** The GID of a multicast group on RoCE v2 (`cma_iboe_set_mgid`): the address itself. */
export const groupGid = gidFromAddress;
