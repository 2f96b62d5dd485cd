// qib: TrueScale, an InfiniBand fabric whose cards move packets and leave the verbs to software.
import {
  LNH_GLOBAL,
  LRH_LEN,
  lrhDlid,
  lrhLength,
  lrhLnh,
  lrhLver,
  lrhSl,
  lrhSlid,
  maskLrh,
  setLrhLength,
  writeLrh,
} from '../../wire/lrh.ts';
import { type Fabric, LidDevice, type LidDeviceOptions } from '../lid/device.ts';
import type { Encapsulation } from '../lid/encapsulation.ts';
import { psm } from '../psm/extension.ts';

/** UDP port of its packets; IANA has assigned none. */
export const QIB_UDP_PORT = 24792;
/** Data VLs; `max_vl_num` 2 is VL0 and VL1. */
const VLS = 2;

const ibHeader: Encapsulation = {
  length: LRH_LEN,
  write: (buf, at, sl, dlid, slid) => writeLrh(buf, at, sl % VLS, sl, LNH_GLOBAL, dlid, slid, 0),
  complete: (buf, at, total) => setLrhLength(buf, at, total),
  matches: (buf, at, total) => lrhLver(buf, at) === 0 && lrhLnh(buf, at) === LNH_GLOBAL && lrhLength(buf, at) === total,
  slid: lrhSlid,
  dlid: lrhDlid,
  sl: lrhSl,
  // InfiniBand tells of congestion in the BTH (FECN).
  congested: () => false,
  mask: maskLrh,
};

const FABRIC: Fabric = {
  driver: 'qib',
  name: 'qib%d',
  udpPort: QIB_UDP_PORT,
  card: {
    partId: 0x7322,
    maxQp: 16384,
    maxCq: 0x2ffff,
    maxCqe: 0x2ffff,
    vls: VLS,
    speed: 4,
    pkeyTable: 4,
  },
  kind: ibHeader,
  extensions: [psm],
};

export class Qib extends LidDevice {
  constructor(options: LidDeviceOptions) {
    super(FABRIC, options);
  }
}
