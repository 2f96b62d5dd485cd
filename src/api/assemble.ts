// Puts what is below a device together: sockets, loopback, faults, capture, driver.
import { mtuEnum } from '../core/constants.ts';
import { VerbsError } from '../core/errors.ts';
import { parseFailRule } from '../core/fail-rule.ts';
import { Injector } from '../core/injector.ts';
import type { Driver, UserMachine } from '../drivers/machine.ts';
import type { Rxe } from '../drivers/rxe/driver.ts';
import { RXE } from '../drivers/rxe/index.ts';
import { withCapture } from '../link/capture.ts';
import { monotonic } from '../link/clock.ts';
import { DgramLink } from '../link/dgram.ts';
import { type FaultOptions, withFaults } from '../link/faults.ts';
import { withLoopback } from '../link/host.ts';
import { defaultLink, LINK_KINDS, type LinkKind } from '../link/kind.ts';
import type { Link } from '../link/link.ts';
import { Random } from '../link/random.ts';
import { withShm } from '../link/shm.ts';
import { ROCE_PORT, UdpLink } from '../link/udp.ts';
import { defaultAddress } from '../os/addresses.ts';
import { nativeCrc32 } from '../os/crc.ts';
import { setCrc32Native } from '../wire/crc32.ts';
import type { CaptureFile } from './capture-file.ts';
import { checkFaults } from './fault-check.ts';

/** How a device is made; {@link openDevice} says what each means. */
export interface AssembleOptions {
  readonly address?: string | readonly string[];
  readonly name?: string;
  readonly link?: LinkKind;
  readonly offload?: boolean;
  readonly capture?: string;
  readonly faults?: FaultOptions;
  readonly fail?: readonly string[];
  readonly mtu?: number;
  readonly pkeys?: readonly number[];
}

/** A registered device, and the file that its packets go to. */
export interface Assembled<M extends UserMachine> {
  readonly machine: M;
  readonly capture: CaptureFile | null;
  readonly injector: Injector | null;
}

/** The same, of rxe. */
export interface Assembly {
  readonly rxe: Rxe;
  readonly capture: CaptureFile | null;
  readonly injector: Injector | null;
}

/** An rxe device. Errors are those of {@link openDevice}. */
export async function assemble(options: AssembleOptions): Promise<Assembly> {
  const { machine, capture, injector } = await assembleWith(RXE, options);
  return { rxe: machine, capture, injector };
}

/** A device of any driver. Errors are those of {@link openDevice}. */
export async function assembleWith<M extends UserMachine>(
  driver: Driver<M>,
  options: AssembleOptions,
): Promise<Assembled<M>> {
  const addresses = [options.address ?? defaultAddress()].flat();
  check(driver, addresses, options);
  const injector = injectorOf(options);
  let link = await linkOf(driver, addresses, options);
  let capture: CaptureFile | null = null;
  try {
    if (options.capture !== undefined) {
      // What builds frames is loaded when it is asked for: most devices are not captured.
      const { CaptureFile } = await import('./capture-file.ts');
      capture = new CaptureFile(options.capture, link.netdev, driver.udpPort === ROCE_PORT);
      link = withCapture(link, capture);
    }
    const { name, mtu, pkeys } = options;
    const machine = driver.open({ name, link, clock: monotonic, mtu, pkeys, injector: injector ?? undefined });
    return { machine, capture, injector };
  } catch (error) {
    link.close();
    capture?.close();
    throw error;
  }
}

function check(driver: Driver<UserMachine>, addresses: readonly string[], options: AssembleOptions): void {
  const refuse = (message: string): never => {
    throw new VerbsError('openDevice', 'EINVAL', message);
  };
  const { link, mtu, pkeys, faults } = options;
  if (addresses.length === 0) refuse('address is an empty list');
  if (driver.oneAddress && addresses.length > 1) {
    refuse(`${addresses.length} addresses; a device of driver ${driver.name} has one`);
  }
  if (link !== undefined && !LINK_KINDS.includes(link)) refuse(`link "${link}"; there are ${LINK_KINDS.join(', ')}`);
  if (mtu !== undefined && mtuEnum(mtu) === 0) refuse(`mtu is ${mtu}; it is 256, 512, 1024, 2048 or 4096`);
  if (pkeys !== undefined) checkPkeys(driver, pkeys, refuse);
  if (faults !== undefined) checkFaults(faults);
}

function checkPkeys(
  { name, pkeyTable = 0 }: Driver<UserMachine>,
  pkeys: readonly number[],
  refuse: (m: string) => never,
): void {
  if (pkeyTable === 0) refuse(`pkeys; driver ${name} has the default partition only`);
  if (pkeys.length === 0 || pkeys.length > pkeyTable)
    refuse(`${pkeys.length} pkeys; driver ${name} has 1 to ${pkeyTable}`);
  // IBTA 10.9.2: the key without its membership bit is 0 in none that is valid.
  const wrong = pkeys.find((pkey) => !(Number.isInteger(pkey) && pkey <= 0xffff && pkey > 0 && (pkey & 0x7fff) !== 0));
  if (wrong !== undefined) refuse(`pkey ${wrong}; 15 bits that are not all 0, and 0x8000 for a full member`);
}

async function linkOf(driver: Driver<UserMachine>, addresses: string[], options: AssembleOptions): Promise<Link> {
  const crc = nativeCrc32();
  if (crc !== null) setCrc32Native(crc.update, crc.minLength);
  const { offload = true, faults } = options;
  const port = driver.udpPort;
  const kind = options.link ?? defaultLink();
  // Without faults what goes to the device itself never leaves memory; with them it shall meet them too.
  const link = withLoopback(kind === 'dgram' ? await DgramLink.open({ addresses, port }) : udp());
  return faults === undefined ? link : withFaults(link, faults);

  function udp(): Link {
    const sockets = new UdpLink({ addresses, port, gso: offload, gro: offload });
    // Who looks at packets, or damages them, is sent real ones.
    const jumbo = driver.jumbo === true && options.capture === undefined && faults === undefined;
    return kind === 'udp' ? sockets : withShm(sockets, monotonic, { jumbo });
  }
}

function injectorOf({ fail, faults }: AssembleOptions): Injector | null {
  if (fail === undefined || fail.length === 0) return null;
  const random = new Random(faults?.seed ?? 0);
  return new Injector(fail.map(parseFailRule), (probability) => random.chance(probability));
}
