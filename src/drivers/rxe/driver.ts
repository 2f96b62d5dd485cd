// rxe: verbs over RoCEv2 in UDP datagrams. All it adds to the software verbs is where packets go.
import { randomInt } from 'node:crypto';
import { mtuBytes, mtuEnum } from '../../core/constants.ts';
import type { Device } from '../../core/device.ts';
import type { DriverOps } from '../../core/driver.ts';
import { addressOfGid, gidFromAddress } from '../../core/gid-text.ts';
import type { Injector } from '../../core/injector.ts';
import { pkeysMatch } from '../../core/pkey.ts';
import { registerDevice, unregisterDevice } from '../../core/registry.ts';
import type { Link } from '../../link/link.ts';
import { Engine } from '../../transport/engine.ts';
import type { SoftQp } from '../../transport/qp.ts';
import { softVerbs } from '../../transport/verbs.ts';
import { deviceAttributes, pathMtuOf, portAttributes } from './attributes.ts';
import { RocePort } from './port.ts';

const GID_TABLE = 128;

export interface RxeOptions {
  /** A name, or a pattern with %d. Default `rxe%d`. */
  readonly name?: string;
  readonly link: Link;
  /** Largest path MTU in bytes: 256, 512, 1024, 2048 or 4096; less where the link carries less. Default 4096. */
  readonly mtu?: number;
  /** Microseconds that only go forward. */
  readonly clock: () => number;
  /** Random number below a bound; node:crypto's unless a simulation wants its own. */
  readonly random?: (below: number) => number;
  /** Failures made on purpose. */
  readonly injector?: Injector;
}

/** A registered rxe device with what drives it. */
export class Rxe {
  readonly device: Device;
  readonly engine: Engine;
  readonly port: RocePort;
  readonly link: Link;

  constructor(options: RxeOptions) {
    const { link } = options;
    this.link = link;
    let engine!: Engine;
    let port!: RocePort;
    this.device = registerDevice({
      name: options.name ?? 'rxe%d',
      driver: 'rxe',
      gidTableLength: GID_TABLE,
      capabilities: ['atomic', 'resize-cq', 'rereg-mr'],
      injector: options.injector,
      ops: (device) => {
        port = new RocePort(link, device.gids);
        engine = new Engine(
          {
            keys: device.keys,
            pkeyAt: (index) => device.pkeys.entries[index],
            pkeysMatch,
            membersOf: (group) => device.mcast.membersOf(gidFromAddress(group)) as readonly SoftQp[],
            injector: device.injector,
          },
          port,
          options.clock,
        );
        return rxeOps(device, link, engine, options);
      },
    });
    this.engine = engine;
    this.port = port;
    this.device.gids.sync(link.addresses, link.netdev);
  }

  /** Takes the device away and closes its link. EBUSY while contexts are open. */
  close(): void {
    unregisterDevice(this.device);
    this.link.close();
  }
}

function rxeOps(device: Device, link: Link, engine: Engine, options: RxeOptions): DriverOps {
  const attr = deviceAttributes(link);
  const mtu = pathMtuOf(link, mtuEnum(options.mtu ?? 4096));
  const port = portAttributes(link, GID_TABLE, mtu);
  // A group is joined on the network once, with the first queue pair attached to it.
  const membership = (gid: Uint8Array): [local: number, group: Uint8Array] => {
    const group = addressOfGid(gid);
    return [link.addresses.findIndex((a) => a.bytes.length === group.length), group];
  };
  return {
    queryDevice: () => attr,
    queryPort: () => port,
    ...softVerbs(engine, {
      mtu: mtuBytes(mtu),
      random: options.random ?? randomInt,
    }),
    attachMcast(_qp, gid): void {
      if (device.mcast.membersOf(gid).length === 0) link.join(...membership(gid));
    },
    detachMcast(_qp, gid): void {
      if (device.mcast.membersOf(gid).length === 0) link.leave(...membership(gid));
    },
  };
}
