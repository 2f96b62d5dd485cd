// A device whose packets are bare, with meters. Its verbs are the transport's.
import {
  type Device,
  type DeviceAttributes,
  DeviceCap,
  type Driver,
  Engine,
  gidFromAddress,
  type Injector,
  type Link,
  LinkLayer,
  MAX_MESSAGE,
  Mtu,
  mtuBytes,
  type PortAttributes,
  PortState,
  pkeysMatch,
  QpType,
  registerDevice,
  type SoftQp,
  softVerbs,
  unregisterDevice,
} from 'infinitive/driver';
import { meter, meterFor } from './meter.ts';
import { BarePort, UDP_PORT } from './port.ts';

export interface BareOptions {
  readonly name?: string | undefined;
  readonly link: Link;
  /** Microseconds that only go forward. */
  readonly clock: () => number;
  readonly random?: (below: number) => number;
  /** Failures made on purpose. */
  readonly injector?: Injector | undefined;
}

export { meter };

const MTU = Mtu.MTU_1024;

export class Bare {
  readonly device: Device;
  readonly engine: Engine;
  readonly link: Link;

  constructor(options: BareOptions) {
    const { name = 'bare%d', link, clock, random = (below) => Math.floor(Math.random() * below) } = options;
    const port = new BarePort(link);
    let engine!: Engine;
    this.link = link;
    this.device = registerDevice({
      name,
      driver: 'bare',
      gidTableLength: 1,
      // No multicast: it is not claimed, and its verbs are not there.
      qpTypes: [QpType.RC, QpType.UC, QpType.UD],
      capabilities: ['atomic', 'resize-cq', 'rereg-mr'],
      extensions: [meter],
      injector: options.injector,
      ops: (device) => {
        engine = new Engine(
          {
            keys: device.keys,
            pkeyAt: (index) => device.pkeys.entries[index],
            pkeysMatch,
            membersOf: (group) => device.mcast.membersOf(gidFromAddress(group)) as readonly SoftQp[],
            injector: device.injector,
          },
          port,
          clock,
        );
        return {
          queryDevice: () => attributes(link),
          queryPort: () => portAttributes(link),
          ...softVerbs(engine, { mtu: mtuBytes(MTU), random }),
        };
      },
    });
    this.engine = engine;
    this.device.gids.sync([link.addresses[0]], link.netdev);
    meterFor(this.device, port);
  }

  close(): void {
    unregisterDevice(this.device);
    this.link.close();
  }
}

/** For `openDevice({ driver: bare })`. */
export const bare: Driver<Bare> = {
  name: 'bare',
  udpPort: UDP_PORT,
  oneAddress: true,
  open: (options) => new Bare(options),
};

function attributes(link: Link): DeviceAttributes {
  const { bytes } = link.addresses[0];
  const guid = Uint8Array.of(0x02, 0, 0, 0xba, ...bytes.subarray(bytes.length - 4));
  return {
    ...{ vendorId: 0xffffff, vendorPartId: 1, hwVer: 1, fwVer: '1.0', nodeGuid: guid, sysImageGuid: guid },
    ...{
      maxMrSize: 2 ** 40,
      pageSizeCap: 4096,
      maxQp: 1024,
      maxQpWr: 1024,
      maxSge: 4,
      maxSgeRd: 4,
      maxInlineData: 128,
    },
    ...{
      maxCq: 1024,
      maxCqe: 65535,
      maxMr: 4096,
      maxPd: 1024,
      maxQpRdAtom: 16,
      maxQpInitRdAtom: 16,
      maxResRdAtom: 4096,
    },
    ...{ maxMw: 4096, maxMcastGrp: 0, maxMcastQpAttach: 0, maxAh: 4096, maxSrq: 256, maxSrqWr: 1024, maxSrqSge: 4 },
    ...{ maxPkeys: 1, physPortCnt: 1 },
    deviceCapFlags:
      DeviceCap.MEM_WINDOW | DeviceCap.MEM_WINDOW_TYPE_2B | DeviceCap.RC_RNR_NAK_GEN | DeviceCap.SRQ_RESIZE,
  };
}

function portAttributes(link: Link): PortAttributes {
  return {
    ...{ state: PortState.ACTIVE, physState: 5, maxMtu: MTU, activeMtu: MTU, maxMsgSz: MAX_MESSAGE },
    ...{ gidTblLen: 1, pkeyTblLen: 1, portCapFlags: 0, badPkeyCntr: 0, qkeyViolCntr: 0, lid: 0, smLid: 0, lmc: 0 },
    ...{ maxVlNum: 1, smSl: 0, activeWidth: 1, activeSpeed: 1, linkLayer: LinkLayer.ETHERNET, netdev: link.netdev },
  };
}
