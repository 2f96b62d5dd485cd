// What the device says of itself. The limits are those of Linux's rxe (rxe_param.h), so that programs tuned for it fit;
// capabilities are only those that are really here.
import { DeviceCap, LinkLayer, Mtu, mtuBytes, PortState } from '../../core/constants.ts';
import type { DeviceAttributes, PortAttributes } from '../../core/driver.ts';
import type { Link } from '../../link/link.ts';
import { MAX_MESSAGE } from '../../transport/send-slot.ts';

/** IP, UDP and the longest IB headers with ICRC: what a path MTU leaves for (RXE_MAX_HDR_LENGTH). */
const HEADERS = 80;
const LINK_UP = 5;
const WIDTH_1X = 1;
const SPEED_2_5_GBPS = 1;

/** The largest path MTU (`Mtu` enumeration) that fits the link, and is `most` at most; MTU_256 at least. */
export function pathMtuOf(link: Link, most: number = Mtu.MTU_4096): number {
  for (let mtu = most; mtu > Mtu.MTU_256; mtu--) if (mtuBytes(mtu) + HEADERS <= link.mtu) return mtu;
  return Mtu.MTU_256;
}

/** A GUID from the link's first address: locally administered, as Linux makes one from a MAC. */
export function guidOf(link: Link): Uint8Array {
  const bytes = link.addresses[0].bytes;
  return Uint8Array.of(0x02, 0, 0, 0xff, ...bytes.subarray(bytes.length - 4));
}

export function deviceAttributes(link: Link): DeviceAttributes {
  const guid = guidOf(link);
  return {
    vendorId: 0xffffff,
    vendorPartId: 0,
    hwVer: 0,
    fwVer: '',
    nodeGuid: guid,
    sysImageGuid: guid,
    maxMrSize: Number.MAX_SAFE_INTEGER,
    pageSizeCap: 0xfffff000,
    maxQp: 1048560,
    maxQpWr: 1048576,
    deviceCapFlags:
      DeviceCap.CURR_QP_STATE_MOD |
      DeviceCap.PORT_ACTIVE_EVENT |
      DeviceCap.SYS_IMAGE_GUID |
      DeviceCap.RC_RNR_NAK_GEN |
      DeviceCap.SRQ_RESIZE |
      DeviceCap.MEM_WINDOW |
      DeviceCap.MEM_WINDOW_TYPE_2B,
    maxSge: 32,
    maxSgeRd: 32,
    maxInlineData: 512,
    maxCq: 1048576,
    maxCqe: 32767,
    maxMr: 524287,
    maxPd: 1048576,
    maxQpRdAtom: 128,
    maxQpInitRdAtom: 128,
    maxResRdAtom: 258048,
    maxMw: 524287,
    maxMcastGrp: 8192,
    maxMcastQpAttach: 56,
    maxAh: 32767,
    maxSrq: 917503,
    maxSrqWr: 1048576,
    maxSrqSge: 27,
    maxPkeys: 1,
    physPortCnt: 1,
  };
}

export function portAttributes(link: Link, gidTblLen: number, mtu: number): PortAttributes {
  return {
    state: PortState.ACTIVE,
    physState: LINK_UP,
    maxMtu: Mtu.MTU_4096,
    activeMtu: mtu,
    gidTblLen,
    pkeyTblLen: 1,
    portCapFlags: 0,
    maxMsgSz: MAX_MESSAGE,
    badPkeyCntr: 0,
    qkeyViolCntr: 0,
    lid: 0,
    smLid: 0,
    lmc: 0,
    maxVlNum: 1,
    smSl: 0,
    activeWidth: WIDTH_1X,
    activeSpeed: SPEED_2_5_GBPS,
    linkLayer: LinkLayer.ETHERNET,
    netdev: link.netdev,
  };
}
