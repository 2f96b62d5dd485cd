// hfi1: Omni-Path. Its packets begin with the fabric's own 16-byte header; the verbs are software's.
import {
  flits,
  isOpa16b,
  maskOpa16b,
  OPA_L4_GLOBAL,
  OPA16B_LEN,
  opaDlid,
  opaFecn,
  opaFlits,
  opaL4,
  opaPkey,
  opaSc,
  opaSlid,
  setOpaLength,
  setOpaPkey,
  writeOpa16b,
} from '../../wire/opa16b.ts';
import { type Fabric, LidDevice, type LidDeviceOptions } from '../lid/device.ts';
import type { Encapsulation } from '../lid/encapsulation.ts';
import { psm2 } from '../psm/extension.ts';

/** UDP port of its packets; IANA has assigned none. */
export const HFI1_UDP_PORT = 24791;

const opaHeader: Encapsulation = {
  length: OPA16B_LEN,
  // Service levels and service channels are the same numbers, and flows of a pair of hosts share their entropy.
  write: (buf, at, sl, dlid, slid) => writeOpa16b(buf, at, sl, OPA_L4_GLOBAL, dlid, slid, 0, 0, dlid ^ slid),
  complete(buf, at, total, pkey): void {
    setOpaLength(buf, at, total);
    setOpaPkey(buf, at, pkey);
  },
  // Switches judge partitions by the header, receivers by the BTH: the two must say the same.
  matches: (buf, at, total, pkey) =>
    isOpa16b(buf, at) &&
    opaL4(buf, at) === OPA_L4_GLOBAL &&
    opaFlits(buf, at) === flits(total) &&
    opaPkey(buf, at) === pkey,
  slid: opaSlid,
  dlid: opaDlid,
  sl: opaSc,
  congested: opaFecn,
  mask: maskOpa16b,
};

const FABRIC: Fabric = {
  driver: 'hfi1',
  name: 'hfi1_%d',
  udpPort: HFI1_UDP_PORT,
  card: {
    partId: 0x24f0,
    maxQp: 32768,
    maxCq: 0x1ffff,
    maxCqe: 0x2fffff,
    vls: 4,
    speed: 32,
    pkeyTable: 16,
  },
  kind: opaHeader,
  extensions: [psm2],
};

export class Hfi1 extends LidDevice {
  constructor(options: LidDeviceOptions) {
    super(FABRIC, options);
  }
}
