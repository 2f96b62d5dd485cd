// Puts a device together: sockets, loopback, faults, capture, driver.
import { VerbsError } from '../core/errors.ts';
import { Rxe } from '../drivers/rxe/driver.ts';
import { withCapture } from '../link/capture.ts';
import { monotonic } from '../link/clock.ts';
import { DgramLink } from '../link/dgram.ts';
import { type FaultOptions, withFaults } from '../link/faults.ts';
import { withLoopback } from '../link/host.ts';
import type { Link } from '../link/link.ts';
import { UdpLink } from '../link/udp.ts';
import { defaultAddress } from '../os/addresses.ts';
import { nativeCrc32 } from '../os/crc.ts';
import { isLinux } from '../os/ffi.ts';
import { setCrc32Native } from '../wire/crc32.ts';
import { CaptureFile } from './capture-file.ts';
import { Device } from './device.ts';
import { checkFaults } from './fault-check.ts';

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
  /** Writes all packets to this pcapng file. */
  readonly capture?: string;
  /** Faults to be made on purpose, on what comes in and goes out. */
  readonly faults?: FaultOptions;
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
  const addresses = [options.address ?? defaultAddress()].flat();
  if (addresses.length === 0) throw new VerbsError('openDevice', 'EINVAL', 'address is an empty list');
  const kind = options.link ?? (isLinux() ? 'udp' : 'dgram');
  if (kind !== 'udp' && kind !== 'dgram') {
    throw new VerbsError('openDevice', 'EINVAL', `link "${kind}"; there are udp and dgram`);
  }
  if (options.faults !== undefined) checkFaults(options.faults);
  const crc = nativeCrc32();
  if (crc !== null) setCrc32Native(crc.update, crc.minLength);
  let link: Link =
    kind === 'udp'
      ? new UdpLink({ addresses, gso: options.offload ?? true, gro: options.offload ?? true })
      : await DgramLink.open({ addresses });
  // Without faults what goes to the device itself never leaves memory; with them it shall meet them too.
  link = withLoopback(link);
  if (options.faults !== undefined) link = withFaults(link, options.faults);
  let capture: CaptureFile | null = null;
  try {
    if (options.capture !== undefined) {
      capture = new CaptureFile(options.capture, link.netdev);
      link = withCapture(link, capture);
    }
    const rxe = new Rxe({ name: options.name, link, clock: monotonic });
    return new Device(rxe, capture, options.owner ?? `${process.title}[${process.pid}]`);
  } catch (error) {
    link.close();
    capture?.close();
    throw error;
  }
}
