// A device of a fabric that is routed by LIDs: a card and a link header are what makes it one of hfi1 or qib; its verbs come
// whole from transport/, as those of Linux's two drivers come from rdmavt.
import { randomInt } from 'node:crypto';
import { mtuBytes, mtuEnum } from '../../core/constants.ts';
import type { Device } from '../../core/device.ts';
import type { Extension } from '../../core/extension.ts';
import { gidToText } from '../../core/gid-text.ts';
import type { Injector } from '../../core/injector.ts';
import { DEFAULT_PKEY, pkeysMatch } from '../../core/pkey.ts';
import { registerDevice, unregisterDevice } from '../../core/registry.ts';
import type { Link } from '../../link/link.ts';
import { Engine } from '../../transport/engine.ts';
import type { SoftQp } from '../../transport/qp.ts';
import { softVerbs } from '../../transport/verbs.ts';
import { clockOf } from '../psm/extension.ts';
import { addressOfLid } from './address.ts';
import { type CardAttributes, deviceAttributes, pathMtuOf, portAttributes } from './attributes.ts';
import type { Encapsulation } from './encapsulation.ts';
import { LidPort } from './port.ts';

export interface LidDeviceOptions {
  /** A name, or a pattern with %d. Default: the driver's own, `hfi1_%d` or `qib%d`. */
  readonly name?: string;
  /** Its first address holds the LID: see {@link lidOf}. */
  readonly link: Link;
  /** Largest path MTU in bytes: 256, 512, 1024, 2048 or 4096; less where the link carries less. Default 4096. */
  readonly mtu?: number;
  /** Microseconds that only go forward. */
  readonly clock: () => number;
  readonly random?: (below: number) => number;
  /** The port's P_Keys. Default: full member of the default partition. */
  readonly pkeys?: readonly number[];
  /** Failures made on purpose. */
  readonly injector?: Injector;
}

/** What makes a fabric. */
export interface Fabric {
  readonly driver: string;
  readonly name: string;
  readonly udpPort: number;
  readonly card: CardAttributes;
  readonly kind: Encapsulation;
  readonly extensions: readonly Extension[];
}

const GID_TABLE = 8;

export class LidDevice {
  readonly device: Device;
  readonly engine: Engine;
  readonly port: LidPort;
  readonly link: Link;

  constructor(fabric: Fabric, options: LidDeviceOptions) {
    const { link, pkeys = [DEFAULT_PKEY] } = options;
    const { card, kind } = fabric;
    const port = new LidPort(link, fabric.udpPort, kind);
    const attributes = deviceAttributes(card, port.lid);
    const activeMtu = pathMtuOf(link, kind.length, mtuEnum(options.mtu ?? 4096));
    const groupAddress = (lid: number): Uint8Array => addressOfLid(link.addresses[0], lid);
    let engine!: Engine;
    this.device = registerDevice({
      name: options.name ?? fabric.name,
      driver: fabric.driver,
      gidTableLength: GID_TABLE,
      pkeyTableLength: card.pkeyTable,
      capabilities: ['atomic', 'resize-cq', 'rereg-mr'],
      extensions: fabric.extensions,
      injector: options.injector,
      ops: (device) => {
        engine = new Engine(
          {
            keys: device.keys,
            pkeyAt: (index) => device.pkeys.entries[index],
            pkeysMatch,
            membersOf: (group) => device.mcast.membersOf(group) as readonly SoftQp[],
            injector: device.injector,
          },
          port,
          options.clock,
        );
        return {
          queryDevice: () => attributes,
          queryPort: () => portAttributes(card, port.lid, activeMtu, GID_TABLE, engine.counters),
          ...softVerbs(engine, { mtu: mtuBytes(activeMtu), random: options.random ?? randomInt }),
          attachMcast(_qp, gid, lid): void {
            if (device.mcast.membersOf(gid).length === 0) link.join(0, groupAddress(lid));
          },
          detachMcast(_qp, gid, lid): void {
            if (device.mcast.membersOf(gid).length === 0) link.leave(0, groupAddress(lid));
          },
        };
      },
    });
    clockOf(this.device, options.clock);
    this.engine = engine;
    this.port = port;
    this.link = link;
    for (const [index, pkey] of pkeys.entries()) this.device.pkeys.set(index, pkey);
    this.device.gids.add({ family: 6, bytes: port.gid, text: gidToText(port.gid), scope: 0 }, '', 'IB/RoCE v1');
  }

  /** Takes the device away and closes its link. EBUSY while contexts are open. */
  close(): void {
    unregisterDevice(this.device);
    this.link.close();
  }
}
