// Path records: as a subnet administrator sends them (IBTA 15.2.5.16), and as struct ib_user_path_rec.
import type { PathRecord } from '../cm/path.ts';
import type { RdmaCmId } from '../cm/rdma/id.ts';
import { gidFromAddress } from '../core/gid-text.ts';
import { UserPathRec as U } from './layout.ts';

/** Attribute PathRecord: 64 bytes. */
const P = {
  dgid: 8,
  sgid: 24,
  flowHop: 44,
  trafficClass: 48,
  reversible: 49,
  pkey: 50,
  qosSl: 52,
  mtu: 54,
  rate: 55,
  lifeTime: 56,
} as const;
/** Selector "exactly", above the six bits of a value. */
const EXACTLY = 2;
const VALUE = 0x3f;

export function packPath(path: PathRecord, into: Buffer, at: number): void {
  into.set(path.dgid, at + P.dgid);
  into.set(path.sgid, at + P.sgid);
  into.writeUInt32BE(((path.flowLabel << 8) | path.hopLimit) >>> 0, at + P.flowHop);
  into[at + P.trafficClass] = path.trafficClass;
  into[at + P.reversible] = 0x80 | 1;
  into.writeUInt16BE(path.pkey, at + P.pkey);
  into.writeUInt16BE(path.sl, at + P.qosSl);
  into[at + P.mtu] = (EXACTLY << 6) | path.mtu;
  into[at + P.rate] = (EXACTLY << 6) | path.rate;
  into[at + P.lifeTime] = (EXACTLY << 6) | path.packetLifeTime;
}

export function unpackPath(buf: Buffer, at: number, sgidIndex: number): PathRecord {
  const flowHop = buf.readUInt32BE(at + P.flowHop);
  return {
    sgid: Uint8Array.from(buf.subarray(at + P.sgid, at + P.sgid + 16)),
    dgid: Uint8Array.from(buf.subarray(at + P.dgid, at + P.dgid + 16)),
    sgidIndex,
    pkey: buf.readUInt16BE(at + P.pkey),
    mtu: buf[at + P.mtu] & VALUE,
    flowLabel: (flowHop >>> 8) & 0xfffff,
    trafficClass: buf[at + P.trafficClass],
    hopLimit: flowHop & 0xff,
    sl: buf.readUInt16BE(at + P.qosSl) & 0xf,
    rate: buf[at + P.rate] & VALUE,
    packetLifeTime: Math.min(31, buf[at + P.lifeTime] & VALUE),
  };
}

/** What is known of the way: without a route, its ends. */
export function putUserPath(into: Buffer, at: number, id: RdmaCmId): void {
  const { route, src, dst } = id;
  if (route === null) {
    if (dst !== null) into.set(gidFromAddress(dst.address), at + U.dgid);
    if (src !== null) into.set(gidFromAddress(src.address), at + U.sgid);
    into.writeUInt16BE(0xffff, at + U.pkey);
    return;
  }
  into.set(route.dgid, at + U.dgid);
  into.set(route.sgid, at + U.sgid);
  into.writeUInt32BE(route.flowLabel, at + U.flowLabel);
  into.writeUInt32LE(1, at + U.reversible);
  into.writeUInt32LE(route.mtu, at + U.mtu);
  into.writeUInt16BE(route.pkey, at + U.pkey);
  into[at + U.hopLimit] = route.hopLimit;
  into[at + U.trafficClass] = route.trafficClass;
  into[at + U.numbPath] = 1;
  into[at + U.sl] = route.sl;
  into[at + U.mtuSelector] = EXACTLY;
  into[at + U.rateSelector] = EXACTLY;
  into[at + U.rate] = route.rate;
  into[at + U.packetLifeTimeSelector] = EXACTLY;
  into[at + U.packetLifeTime] = route.packetLifeTime;
}
