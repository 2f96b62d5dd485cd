// Opens a device for the program itself.
import type { FaultOptions } from '../link/faults.ts';
import { assemble } from './assemble.ts';
import { Device } from './device.ts';

export interface OpenOptions {
  /**
   * Address or addresses of this host that the device has, a GID for each: `'192.0.2.1'`, `['127.0.0.2', '::1']`,
   * `'fe80::1%eth0'`. UDP port 4791 of each must be free. Default: the address the default route uses, else 127.0.0.1.
   */
  readonly address?: string | readonly string[];
  /** The device's name. Default: `rxe` and the lowest number free. */
  readonly name?: string;
  /** Who it is for, in listings of resources. Default: the program and its process id. */
  readonly owner?: string;
  /**
   * `udp`: Linux sockets through FFI; `dgram`: node:dgram, on any system. Default: `udp` on Linux. With `dgram` packets arrive
   * when the event loop has its turn: whoever polls must let it (`await`), or sees none.
   */
  readonly link?: 'udp' | 'dgram';
  /** `udp` only: let the kernel cut batches into datagrams and join them again (UDP_SEGMENT, UDP_GRO). Default true. */
  readonly offload?: boolean;
  /** Largest path MTU in bytes: 256 to 4096. Default: the largest that the address's interface carries. */
  readonly mtu?: number;
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
 * Opens an RDMA device: RoCEv2 over UDP sockets of this host.
 *
 * @throws {VerbsError} EINVAL when an address is not this host's.
 * @throws {Error} EADDRINUSE when another device has the address: it says which address is left.
 * @example
 * await using device = await openDevice({ address: '127.0.0.1' });
 * const pd = device.allocPd();
 */
export async function openDevice(options: OpenOptions = {}): Promise<Device> {
  const { rxe, capture, injector } = await assemble(options);
  try {
    return new Device(rxe, capture, injector, options.owner ?? `${process.title}[${process.pid}]`);
  } catch (error) {
    rxe.link.close();
    capture?.close();
    throw error;
  }
}
