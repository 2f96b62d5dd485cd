// Opens a device for the program itself.
import { VerbsError } from '../core/errors.ts';
import { closeContext, openContext } from '../core/verbs-context.ts';
import { DRIVERS, type DriverName } from '../drivers/index.ts';
import type { Driver, Machine, UserMachine } from '../drivers/machine.ts';
import type { FaultOptions } from '../link/faults.ts';
import type { LinkKind } from '../link/kind.ts';
import { assembleWith } from './assemble.ts';
import { Device } from './device.ts';

export interface OpenOptions {
  /**
   * `rxe`: RoCEv2; `hfi1` (Omni-Path) and `qib` (TrueScale): InfiniBand-like, with LIDs; or a driver of another package.
   * `usnic` is for user contexts only, and is refused here. Default `rxe`.
   */
  readonly driver?: DriverName | Driver;
  /**
   * Address or addresses of this host that the device has, a GID for each: `'192.0.2.1'`, `['127.0.0.2', '::1']`,
   * `'fe80::1%eth0'`. The driver's UDP port of each must be free: 4791 for rxe, 24791 for hfi1, 24792 for qib. A device of
   * hfi1 or qib has one address, whose last 16 bits are its LID. Default: the address the default route uses, else 127.0.0.1.
   */
  readonly address?: string | readonly string[];
  /** The device's name. Default: the driver's (`rxe`, `hfi1_`, `qib`) and the lowest number free. */
  readonly name?: string;
  /** Who it is for, in listings of resources. Default: the program and its process id. */
  readonly owner?: string;
  /**
   * `auto`: Linux sockets through FFI, and memory to other devices of this host that the same user has opened like this: what goes that
   * way no `tcpdump` sees (`capture` does), and no `tc` delays. `udp`: sockets only. `dgram`: node:dgram, on any system.
   * Default: `auto` on Linux. With `dgram` packets arrive when the event loop has its turn: whoever polls must let it
   * (`await`), or sees none.
   */
  readonly link?: LinkKind;
  /** Sockets through FFI only: let the kernel cut batches into datagrams and join them again (UDP_SEGMENT, UDP_GRO). Default true. */
  readonly offload?: boolean;
  /** Largest path MTU in bytes: 256 to 4096. Default: the largest that the address's interface carries. */
  readonly mtu?: number;
  /** hfi1, qib: the port's P_Keys, 16 or 4 at most; queue pairs take the first unless told. Default: the default partition. */
  readonly pkeys?: readonly number[];
  /** Writes all packets to this pcapng file. */
  readonly capture?: string;
  /** Faults to be made on purpose, on what comes in and goes out. */
  readonly faults?: FaultOptions;
  /**
   * Work requests and verbs that shall fail, and asynchronous events that shall come: `wc:RNR_RETRY_EXC_ERR@after=100`,
   * `verb:create_qp=ENOMEM`, `event:PORT_ERR@in=5`. `infinitive run --help` has the whole grammar.
   */
  readonly fail?: readonly string[];
}

/**
 * Opens an RDMA device over UDP sockets of this host.
 *
 * @throws {VerbsError} EINVAL when an address is not this host's, EOPNOTSUPP when the device is for user contexts only.
 * @throws {Error} EADDRINUSE when another device has the address: it says which address is left.
 * @example
 * await using device = await openDevice({ address: '127.0.0.1' });
 * const pd = device.allocPd();
 */
export async function openDevice(options: OpenOptions = {}): Promise<Device> {
  const { machine, capture, injector } = await assembleWith(driverOf(options.driver ?? 'rxe'), options);
  try {
    const context = openContext(machine.device, { owner: options.owner ?? `${process.title}[${process.pid}]` });
    // With a context for this process it is one of kernel-verbs class, and those have what drives them.
    return new Device(machine as Machine, context, capture, injector);
  } catch (error) {
    for (const context of machine.device.contexts) closeContext(context);
    machine.close();
    capture?.close();
    throw error;
  }
}

/** The driver of that name, or the one that is given. */
export function driverOf(driver: DriverName | Driver): Driver<UserMachine> {
  if (typeof driver !== 'string') return driver;
  if (Object.hasOwn(DRIVERS, driver)) return DRIVERS[driver];
  throw new VerbsError('openDevice', 'EINVAL', `driver "${driver}"; there are ${Object.keys(DRIVERS).join(', ')}`);
}
