// What the devices of LID-routed fabrics say of themselves.
import { DeviceCap, LinkLayer, Mtu, mtuBytes, PortState } from '../../core/constants.ts';
import type { DeviceAttributes, PortAttributes } from '../../core/driver.ts';
import type { Link } from '../../link/link.ts';
import type { Counters } from '../../transport/counters.ts';
import { MAX_MESSAGE } from '../../transport/send-slot.ts';
import { GRH_LEN } from '../../wire/grh.ts';
import { guidOfLid } from './address.ts';

/** What differs between the vendors' cards. */
export interface CardAttributes {
  readonly partId: number;
  readonly maxQp: number;
  readonly maxCq: number;
  readonly maxCqe: number;
  /** `max_vl_num` as the attribute has it: 1: VL0, 2: VL0-1, 3: VL0-3, 4: VL0-7, 5: VL0-14. */
  readonly vls: number;
  /** `ibv_port_attr.active_speed` */
  readonly speed: number;
  readonly pkeyTable: number;
}

const VENDOR = 0x1175;
const LINK_UP = 5;
const WIDTH_4X = 2;
/** IPv6 and UDP, the longest IB headers with ICRC. */
const OTHER_HEADERS = 80;

/** The largest up to `most` that the link carries. */
export function pathMtuOf(link: Link, headerBytes: number, most: number): number {
  const room = link.mtu - OTHER_HEADERS - headerBytes - GRH_LEN;
  for (let mtu = most; mtu > Mtu.MTU_256; mtu--) if (mtuBytes(mtu) <= room) return mtu;
  return Mtu.MTU_256;
}

/** The limits are those of Linux's rdmavt drivers (qib and hfi1 module parameters); capabilities those of the transport. */
export function deviceAttributes(card: CardAttributes, lid: number): DeviceAttributes {
  const guid = guidOfLid(lid);
  return {
    vendorId: VENDOR,
    vendorPartId: card.partId,
    hwVer: 0,
    fwVer: '',
    nodeGuid: guid,
    sysImageGuid: guid,
    maxMrSize: Number.MAX_SAFE_INTEGER,
    pageSizeCap: 0xfffff000,
    maxQp: card.maxQp,
    maxQpWr: 0x3fff,
    deviceCapFlags:
      DeviceCap.BAD_PKEY_CNTR |
      DeviceCap.BAD_QKEY_CNTR |
      DeviceCap.CURR_QP_STATE_MOD |
      DeviceCap.PORT_ACTIVE_EVENT |
      DeviceCap.SYS_IMAGE_GUID |
      DeviceCap.RC_RNR_NAK_GEN |
      DeviceCap.SRQ_RESIZE |
      DeviceCap.MEM_WINDOW |
      DeviceCap.MEM_WINDOW_TYPE_2B,
    maxSge: 0x60,
    maxSgeRd: 0x60,
    maxInlineData: 512,
    maxCq: card.maxCq,
    maxCqe: card.maxCqe,
    maxMr: 0xfffff,
    maxPd: 0xffff,
    maxQpRdAtom: 16,
    maxQpInitRdAtom: 128,
    maxResRdAtom: 16 * card.maxQp,
    maxMw: 0xfffff,
    maxMcastGrp: 16384,
    maxMcastQpAttach: 16,
    maxAh: 0xffff,
    maxSrq: 1024,
    maxSrqWr: 0x1ffff,
    maxSrqSge: 128,
    maxPkeys: card.pkeyTable,
    physPortCnt: 1,
  };
}

export function portAttributes(
  card: CardAttributes,
  lid: number,
  activeMtu: number,
  gidTblLen: number,
  counters: Counters,
): PortAttributes {
  return {
    state: PortState.ACTIVE,
    physState: LINK_UP,
    maxMtu: Mtu.MTU_4096,
    activeMtu,
    gidTblLen,
    pkeyTblLen: card.pkeyTable,
    portCapFlags: 0,
    maxMsgSz: MAX_MESSAGE,
    badPkeyCntr: Math.min(counters.bad_pkey, 0xffff),
    qkeyViolCntr: Math.min(counters.bad_qkey, 0xffff),
    lid,
    smLid: 0,
    lmc: 0,
    maxVlNum: card.vls,
    smSl: 0,
    activeWidth: WIDTH_4X,
    activeSpeed: card.speed,
    linkLayer: LinkLayer.INFINIBAND,
    netdev: '',
  };
}
