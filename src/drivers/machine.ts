// What all drivers have in common: how a device is made on a link, and what drives it.
import type { Device } from '../core/device.ts';
import type { Injector } from '../core/injector.ts';
import type { Link } from '../link/link.ts';
import type { Engine } from '../transport/engine.ts';

/** A registered device. One for user contexts only need be no more. */
export interface UserMachine {
  readonly device: Device;
  /** Takes the device away and closes its link. EBUSY while contexts are open. */
  close(): void;
}

/** What drives a device: the transport's engine, or what does the same. */
export type Drive = Pick<Engine, 'progress' | 'idle' | 'nextDeadline' | 'now' | 'counters' | 'doorbell'>;

/** A device that in-process consumers may use, and what drives it. */
export interface Machine extends UserMachine {
  readonly engine: Drive;
  readonly link: Link;
  /** Where its packets pass; `icrcErrors`: those that came damaged. */
  readonly port?: { readonly icrcErrors?: number };
}

export interface DriverOptions {
  /** A name, or a pattern with %d. Default: the driver's own. */
  readonly name?: string | undefined;
  readonly link: Link;
  /** Microseconds that only go forward. */
  readonly clock: () => number;
  /** Largest path MTU in bytes. */
  readonly mtu?: number | undefined;
  /** The port's P_Keys. */
  readonly pkeys?: readonly number[] | undefined;
  /** Failures made on purpose. */
  readonly injector?: Injector | undefined;
}

/** A driver as `openDevice` takes it. */
export interface Driver<M extends UserMachine = Machine> {
  readonly name: string;
  /** UDP port of its packets. 0: none is its own. */
  readonly udpPort: number;
  /** Its devices have one address. Default: as many as are asked for. */
  readonly oneAddress?: boolean;
  /** Its port takes packets longer than the MTU, whose payload is elsewhere than their headers (`Arrival.body`). Default: it does not. */
  readonly jumbo?: boolean;
  /** Entries of its table of P_Keys that can be set. Default 0: it has the default partition only. */
  readonly pkeyTable?: number;
  open(options: DriverOptions): M;
}
