// What rdma_cm puts at the start of private data: the IP CM header (IBTA annex A11), with which two IP end points name each
// other, and the service ids of its port spaces.
import { getU16, putU16 } from './bytes.ts';
import { checkRoom, WireError } from './error.ts';

export const IP_CM_LEN = 36;

const VERSION = 0;
const IP_VERSION = 1;
const PORT = 2;
const SRC = 4;
const DST = 20;

/** `enum rdma_ucm_port_space` */
export const PortSpace = { IPOIB: 0x0002, IB: 0x013f, TCP: 0x0106, UDP: 0x0111 } as const;
export type PortSpaceName = keyof typeof PortSpace;

export interface IpCm {
  /** Major and minor version, 0.0. */
  version: number;
  /** 4 and 16 bytes, as the version of IP has it. */
  srcIp: Uint8Array;
  dstIp: Uint8Array;
  srcPort: number;
}

export function parseIpCm(buf: Uint8Array, off: number, end: number = buf.length): IpCm | WireError {
  const short = checkRoom(off, end, IP_CM_LEN, 'IP CM header');
  if (short) return short;
  if (buf[off + VERSION] !== 0) return new WireError('unsupported', off, `IP CM version ${buf[off + VERSION]}`);
  const ipVersion = buf[off + IP_VERSION] >> 4;
  if (ipVersion !== 4 && ipVersion !== 6) return new WireError('bad-value', off + 1, `IP version ${ipVersion}`);
  const skip = ipVersion === 4 ? 12 : 0;
  return {
    version: buf[off + VERSION],
    srcIp: Uint8Array.from(buf.subarray(off + SRC + skip, off + SRC + 16)),
    dstIp: Uint8Array.from(buf.subarray(off + DST + skip, off + DST + 16)),
    srcPort: getU16(buf, off + PORT),
  };
}

export function emitIpCm(buf: Uint8Array, off: number, header: IpCm): void {
  const v4 = header.srcIp.length === 4;
  const skip = v4 ? 12 : 0;
  buf.fill(0, off, off + IP_CM_LEN);
  buf[off + VERSION] = header.version;
  buf[off + IP_VERSION] = v4 ? 0x40 : 0x60;
  putU16(buf, off + PORT, header.srcPort);
  buf.set(header.srcIp, off + SRC + skip);
  buf.set(header.dstIp, off + DST + skip);
}

/** `rdma_get_service_id`: the port space (with IB: the address family's own numbers) and the port. */
export function serviceIdOf(portSpace: number, port: number): bigint {
  return (BigInt(portSpace) << 16n) | BigInt(port);
}

/** The port space and port of a service id of rdma_cm's; null for any other. */
export function portOfServiceId(serviceId: bigint): { portSpace: number; port: number } | null {
  const space = Number(serviceId >> 16n);
  if (serviceId >> 32n !== 0n || !Object.values<number>(PortSpace).includes(space)) return null;
  return { portSpace: space, port: Number(serviceId & 0xffffn) };
}
