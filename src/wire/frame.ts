// Captured frames round a RoCEv2 datagram: taken apart, and made (for capture files).

import { WireError } from './error.ts';
import { ETHERNET_LEN, ETHERTYPE_IPV4, ETHERTYPE_IPV6, writeEthernet } from './ethernet.ts';
import { ICRC_LEN, icrcId, icrcLen4, icrcLen6, icrcMatches, icrcSeed4, icrcSeed6 } from './icrc.ts';
import {
  formatIp,
  IPPROTO_UDP,
  IPV4_DF,
  IPV4_LEN,
  IPV6_LEN,
  type IpHeader,
  isFragment,
  parseIp,
  writeIpv4,
  writeIpv6,
} from './ip.ts';
import { ipOffset, LINKTYPE_ETHERNET } from './linktype.ts';
import { decodeRoce, describe, type RocePacket } from './packet.ts';
import { parseUdp, ROCE_UDP_PORT, UDP_LEN, type UdpHeader, writeUdp } from './udp.ts';

export interface RoceFrame {
  ip: IpHeader;
  udp: UdpHeader;
  /** Where the BTH is, and how many bytes there are up to and with the ICRC. */
  roceOffset: number;
  roceLength: number;
  /** State of the ICRC after the pseudo headers. */
  icrcSeed: number;
  icrcOk: boolean;
  packet: RocePacket;
}

/** Takes apart the `len` bytes at `off`, a captured frame of the link type. Never throws. */
export function decodeFrame(
  buf: Uint8Array,
  off = 0,
  len: number = buf.length - off,
  linkType: number = LINKTYPE_ETHERNET,
): RoceFrame | WireError {
  const end = Math.min(off + len, buf.length);
  const ipOff = ipOffset(linkType, buf, off, end);
  if (ipOff instanceof WireError) return ipOff;
  const ip = parseIp(buf, ipOff, end);
  if (ip instanceof WireError) return ip;
  if (ip.protocol !== IPPROTO_UDP) return new WireError('not-roce', ipOff, `IP protocol ${ip.protocol}`);
  if (isFragment(ip)) return new WireError('unsupported', ipOff + 6, 'IP fragment');
  // Annex A17: the IPv4 header has no options (IHL is 5), so nobody has said how the ICRC would cover them.
  if (ip.version === 4 && ip.headerLength !== IPV4_LEN) return new WireError('unsupported', ipOff, 'IPv4 options');
  const udpOff = ipOff + ip.headerLength;
  const udp = parseUdp(buf, udpOff, end);
  if (udp instanceof WireError) return udp;
  if (udp.dport !== ROCE_UDP_PORT) return new WireError('not-roce', udpOff + 2, `UDP port ${udp.dport}`);
  // One datagram fills one IP packet; the ICRC's pseudo header takes both lengths from the one.
  if (udp.length !== ip.payloadLength) {
    return new WireError('bad-length', udpOff + 4, `UDP length ${udp.length} in ${ip.payloadLength} bytes of IP`);
  }
  if (udpOff + udp.length > end) return new WireError('truncated', end, `UDP datagram of ${udp.length} bytes is cut`);
  const roceOffset = udpOff + UDP_LEN;
  const roceLength = udp.length - UDP_LEN;
  const packet = decodeRoce(buf, roceOffset, roceLength);
  if (packet instanceof WireError) return packet;
  const icrcSeed = frameSeed(ip, udp);
  const icrcOk = icrcMatches(icrcSeed, buf, roceOffset, roceLength - ICRC_LEN);
  return { ip, udp, roceOffset, roceLength, icrcSeed, icrcOk, packet };
}

function frameSeed(ip: IpHeader, udp: UdpHeader): number {
  if (ip.version === 6) return icrcSeed6(ip.src, ip.dst, udp.sport, udp.dport) ^ icrcLen6(udp.length);
  const df = (ip.fragment & IPV4_DF) !== 0;
  return icrcSeed4(ip.src, ip.dst, udp.sport, udp.dport, df) ^ icrcLen4(udp.length) ^ icrcId(ip.id);
}

/** One line with addresses: "10.0.0.1 > 10.0.0.2: RC Acknowledge QPN 0x11 …". */
export function describeFrame(frame: RoceFrame): string {
  const bad = frame.icrcOk ? '' : ', bad ICRC';
  return `${formatIp(frame.ip.src)} > ${formatIp(frame.ip.dst)}: ${describe(frame.packet)}${bad}`;
}

/** The addresses of a synthetic frame; make one for each flow and direction. */
export interface FrameAddresses {
  srcMac: Uint8Array;
  dstMac: Uint8Array;
  /** 4 or 16 bytes; both alike. */
  srcIp: Uint8Array;
  dstIp: Uint8Array;
  sport: number;
  dport: number;
  /** TOS or traffic class. */
  tos: number;
  ttl: number;
}

/** Bytes that {@link buildFrame} puts before the datagram. */
export function frameHeaderLength(addresses: FrameAddresses): number {
  return ETHERNET_LEN + (addresses.srcIp.length === 4 ? IPV4_LEN : IPV6_LEN) + UDP_LEN;
}

/**
 * Writes an Ethernet frame with the given datagram (BTH to ICRC, `len` bytes at `bodyOff` of `body`) to `out` at `off`, which
 * must have room for {@link frameHeaderLength} + `len` bytes; returns its length. `id` and `df` are IPv4's and must be those
 * the ICRC was made with. `body` may be `out` itself with the datagram already in place.
 */
export function buildFrame(
  out: Buffer,
  off: number,
  addresses: FrameAddresses,
  id: number,
  df: boolean,
  body: Buffer,
  bodyOff: number,
  len: number,
): number {
  const a = addresses;
  const v4 = a.srcIp.length === 4;
  const ip = off + ETHERNET_LEN;
  const udp = ip + (v4 ? IPV4_LEN : IPV6_LEN);
  const udpLength = UDP_LEN + len;
  writeEthernet(out, off, a.dstMac, a.srcMac, v4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
  if (v4) writeIpv4(out, ip, a.srcIp, a.dstIp, a.tos, a.ttl, id, df, udpLength);
  else writeIpv6(out, ip, a.srcIp, a.dstIp, a.tos, 0, a.ttl, udpLength);
  writeUdp(out, udp, a.sport, a.dport, udpLength);
  if (body !== out || bodyOff !== udp + UDP_LEN) body.copy(out, udp + UDP_LEN, bodyOff, bodyOff + len);
  return udp + UDP_LEN + len - off;
}
