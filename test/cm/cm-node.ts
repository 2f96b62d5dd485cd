// Hosts of the simulated fabric with a connection manager each: real devices, real QP1, virtual time.
import { Gsi } from '../../src/cm/gsi.ts';
import { IbCm, type IbCmOptions } from '../../src/cm/ib/cm.ts';
import type { IbCmEvent, Verdict } from '../../src/cm/ib/events.ts';
import type { IbCmId } from '../../src/cm/ib/id.ts';
import type { RepParam, ReqParam } from '../../src/cm/ib/messages.ts';
import type { PathRecord } from '../../src/cm/path.ts';
import { Random } from '../../src/link/random.ts';
import type { SimTimer } from '../../src/link/sim-timer.ts';
import { Fabric, type Node } from '../transport/fabric.ts';

export { Fabric };

/** Something that is driven with a node's engine. */
export interface Driven {
  progress(): void;
  readonly nextDeadline: number;
}

/** Calls `driven` after each step of the node's engine, and when its time has come. */
export function drive(node: Node, gsi: Gsi, driven: Driven): void {
  const { engine } = node.rxe;
  const step = engine.progress.bind(engine);
  let timer: SimTimer | null = null;
  let timerAt = Number.POSITIVE_INFINITY;
  engine.progress = () => {
    const n = step();
    gsi.poll();
    driven.progress();
    const due = driven.nextDeadline;
    if (due < timerAt || timerAt <= node.sim.now) {
      timer?.cancel();
      timerAt = due;
      timer =
        due === Number.POSITIVE_INFINITY
          ? null
          : node.sim.at(Math.max(0, due - node.sim.now) + 0.1, () => node.schedule());
    }
    return n;
  };
  gsi.onPosted = () => node.schedule();
}

/** An IB CM of a node. What happens is kept in `log` and answered by `react`. */
export class CmHost {
  readonly node: Node;
  readonly gsi: Gsi;
  readonly cm: IbCm;
  readonly log: IbCmEvent[] = [];
  react: ((event: IbCmEvent) => Verdict) | null = null;
  readonly handler = (event: IbCmEvent): Verdict => {
    this.log.push(event);
    return this.react?.(event);
  };

  constructor(fabric: Fabric, address?: string, options: Partial<IbCmOptions> = {}) {
    this.node = fabric.node({}, address);
    this.gsi = new Gsi(this.node.rxe.device);
    const random = new Random(fabric.sim.random() * 2 ** 32);
    this.cm = new IbCm({ port: this.gsi, clock: fabric.sim.clock, random: (n) => random.below(n), ...options });
    drive(this.node, this.gsi, this.cm);
  }

  get gid(): Uint8Array {
    return this.node.rxe.device.gids.at(0)!.gid;
  }

  types(): string[] {
    return this.log.map((e) => e.type);
  }

  pathTo(other: CmHost): PathRecord {
    return pathBetween(this.gid, other.gid);
  }

  close(): void {
    this.cm.close();
    this.gsi.close();
  }
}

export function pathBetween(sgid: Uint8Array, dgid: Uint8Array): PathRecord {
  const fixed = { sgidIndex: 0, pkey: 0xffff, mtu: 3, flowLabel: 0, trafficClass: 0, hopLimit: 64, sl: 0, rate: 0 };
  return { ...fixed, sgid, dgid, packetLifeTime: 6 };
}

export const SERVICE = 0x1061c06n;

/** A request with short times: an answer is due after 1 ms. */
export function request(from: CmHost, to: CmHost, given: Partial<ReqParam> = {}): ReqParam {
  return {
    serviceId: SERVICE,
    path: from.pathTo(to),
    qpn: 0x100 + Math.floor(from.node.sim.random() * 0xffff00),
    psn: 1000,
    responderResources: 4,
    initiatorDepth: 2,
    remoteCmResponseTimeout: 8,
    localCmResponseTimeout: 8,
    maxCmRetries: 15,
    retryCount: 7,
    rnrRetryCount: 6,
    ...given,
  };
}

export function reply(given: Partial<RepParam> = {}): RepParam {
  return { qpn: 0x77, psn: 2000, responderResources: 2, initiatorDepth: 4, rnrRetryCount: 5, ...given };
}

export function eventOf<T extends IbCmEvent['type']>(host: CmHost, type: T): Extract<IbCmEvent, { type: T }> {
  const event = host.log.findLast((e) => e.type === type);
  if (event === undefined) throw new Error(`no ${type} among ${host.types().join(', ')}`);
  return event as Extract<IbCmEvent, { type: T }>;
}

export const idOf = (host: CmHost, type: IbCmEvent['type']): IbCmId => eventOf(host, type).id;
