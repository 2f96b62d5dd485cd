// Puts what is below a device together: sockets, loopback, faults, capture, driver.
import { mtuEnum } from '../core/constants.ts';
import { VerbsError } from '../core/errors.ts';
import { parseFailRule } from '../core/fail-rule.ts';
import { Injector } from '../core/injector.ts';
import { Rxe } from '../drivers/rxe/driver.ts';
import { withCapture } from '../link/capture.ts';
import { monotonic } from '../link/clock.ts';
import { DgramLink } from '../link/dgram.ts';
import { type FaultOptions, withFaults } from '../link/faults.ts';
import { withLoopback } from '../link/host.ts';
import type { Link } from '../link/link.ts';
import { Random } from '../link/random.ts';
import { UdpLink } from '../link/udp.ts';
import { defaultAddress } from '../os/addresses.ts';
import { nativeCrc32 } from '../os/crc.ts';
import { isLinux } from '../os/ffi.ts';
import { setCrc32Native } from '../wire/crc32.ts';
import { CaptureFile } from './capture-file.ts';
import { checkFaults } from './fault-check.ts';

/** How a device is made; {@link openDevice} says what each means. */
export interface AssembleOptions {
  readonly address?: string | readonly string[];
  readonly name?: string;
  readonly link?: 'udp' | 'dgram';
  readonly offload?: boolean;
  readonly capture?: string;
  readonly faults?: FaultOptions;
  readonly fail?: readonly string[];
  readonly mtu?: number;
}

/** A registered device, and the file that its packets go to. */
export interface Assembly {
  readonly rxe: Rxe;
  readonly capture: CaptureFile | null;
  readonly injector: Injector | null;
}

/** Errors are those of {@link openDevice}. */
export async function assemble(options: AssembleOptions): Promise<Assembly> {
  const addresses = [options.address ?? defaultAddress()].flat();
  if (addresses.length === 0) throw new VerbsError('openDevice', 'EINVAL', 'address is an empty list');
  const kind = options.link ?? (isLinux() ? 'udp' : 'dgram');
  if (kind !== 'udp' && kind !== 'dgram') {
    throw new VerbsError('openDevice', 'EINVAL', `link "${kind}"; there are udp and dgram`);
  }
  if (options.mtu !== undefined && mtuEnum(options.mtu) === 0) {
    throw new VerbsError('openDevice', 'EINVAL', `mtu is ${options.mtu}; it is 256, 512, 1024, 2048 or 4096`);
  }
  if (options.faults !== undefined) checkFaults(options.faults);
  const injector = injectorOf(options);
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
    const rxe = new Rxe({
      name: options.name,
      link,
      clock: monotonic,
      mtu: options.mtu,
      injector: injector ?? undefined,
    });
    return { rxe, capture, injector };
  } catch (error) {
    link.close();
    capture?.close();
    throw error;
  }
}

function injectorOf({ fail, faults }: AssembleOptions): Injector | null {
  if (fail === undefined || fail.length === 0) return null;
  const random = new Random(faults?.seed ?? 0);
  return new Injector(fail.map(parseFailRule), (probability) => random.chance(probability));
}
