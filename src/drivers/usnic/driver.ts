// usnic: a device for user contexts only. It has protection domains and memory regions, which are the core's, and in its
// extension vNICs: unreliable datagrams that are plain UDP. Verbs that it has not are not there.
import { LinkLayer, Mtu, mtuBytes, PortState } from '../../core/constants.ts';
import type { Device } from '../../core/device.ts';
import type { DeviceAttributes, PortAttributes } from '../../core/driver.ts';
import { registerDevice, unregisterDevice } from '../../core/registry.ts';
import type { Link } from '../../link/link.ts';
import { hostOf, usnic, type VnicHost } from './extension.ts';
import type { Vnic } from './vnic.ts';

export interface UsnicOptions {
  /** A name, or a pattern with %d. Default `usnic_%d`. */
  readonly name?: string;
  /** What the device's own address and MTU are taken from; no datagram passes here. */
  readonly link: Link;
  /** A link on a UDP port of that address, for a vNIC; port 0: any. */
  readonly openLink: VnicHost['openLink'];
}

const VENDOR_CISCO = 0x1137;
const PART_VIC = 0x00cf;
const LINK_UP = 5;
const WIDTH_1X = 1;
const SPEED_10 = 4;
const BUDGET = 64;
const HEADERS = 28;

export class Usnic implements VnicHost {
  readonly device: Device;
  readonly vnics = new Set<Vnic>();
  readonly openLink: VnicHost['openLink'];
  /** Drives all vNICs. */
  readonly engine: { progress(): number; readonly idle: boolean; readonly nextDeadline: number };
  private readonly link: Link;

  constructor(options: UsnicOptions) {
    this.link = options.link;
    this.openLink = options.openLink;
    const attributes = deviceAttributes(options.link);
    const port = portAttributes(options.link);
    this.device = registerDevice({
      name: options.name ?? 'usnic_%d',
      driver: 'usnic',
      gidTableLength: 1,
      qpTypes: [],
      extensions: [usnic],
      ops: {
        queryDevice: () => attributes,
        queryPort: () => port,
        allocPd: () => {},
        deallocPd: () => {},
        regMr: () => {},
        deregMr: () => {},
      },
    });
    hostOf(this.device, this);
    this.device.gids.sync([options.link.addresses[0]], options.link.netdev);
    const { vnics } = this;
    this.engine = {
      progress(): number {
        let received = 0;
        for (const vnic of vnics) received += vnic.progress(BUDGET);
        return received;
      },
      get idle(): boolean {
        for (const vnic of vnics) if (!vnic.idle) return false;
        return true;
      },
      nextDeadline: Number.POSITIVE_INFINITY,
    };
  }

  /** EBUSY while contexts are open. */
  close(): void {
    unregisterDevice(this.device);
    this.link.close();
  }
}

function deviceAttributes(link: Link): DeviceAttributes {
  const { bytes } = link.addresses[0];
  const guid = Uint8Array.of(0x02, 0, 0, 0xff, ...bytes.subarray(bytes.length - 4));
  // Of what it has not there are none: no number here claims a queue pair or a completion queue.
  const none = { maxQp: 0, maxQpWr: 0, maxSge: 0, maxSgeRd: 0, maxInlineData: 0, maxCq: 0, maxCqe: 0, maxQpRdAtom: 0 };
  const nor = { maxQpInitRdAtom: 0, maxResRdAtom: 0, maxMw: 0, maxMcastGrp: 0, maxMcastQpAttach: 0, maxAh: 0 };
  return {
    ...none,
    ...nor,
    vendorId: VENDOR_CISCO,
    vendorPartId: PART_VIC,
    hwVer: 0,
    fwVer: '',
    nodeGuid: guid,
    sysImageGuid: guid,
    maxMrSize: Number.MAX_SAFE_INTEGER,
    pageSizeCap: 0xfffff000,
    deviceCapFlags: 0,
    maxMr: 65536,
    maxPd: 4096,
    maxSrq: 0,
    maxSrqWr: 0,
    maxSrqSge: 0,
    maxPkeys: 1,
    physPortCnt: 1,
  };
}

function portAttributes(link: Link): PortAttributes {
  let mtu: number = Mtu.MTU_4096;
  while (mtu > Mtu.MTU_256 && mtuBytes(mtu) + HEADERS > link.mtu) mtu--;
  return {
    state: PortState.ACTIVE,
    physState: LINK_UP,
    maxMtu: Mtu.MTU_4096,
    activeMtu: mtu,
    gidTblLen: 1,
    pkeyTblLen: 1,
    portCapFlags: 0,
    maxMsgSz: link.mtu - HEADERS,
    badPkeyCntr: 0,
    qkeyViolCntr: 0,
    lid: 0,
    smLid: 0,
    lmc: 0,
    maxVlNum: 1,
    smSl: 0,
    activeWidth: WIDTH_1X,
    activeSpeed: SPEED_10,
    linkLayer: LinkLayer.ETHERNET,
    netdev: link.netdev,
  };
}
