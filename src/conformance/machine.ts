// A device of this process with what drives it, and two of them on a network.
import type { Device } from '../core/device.ts';
import { monotonic } from '../link/clock.ts';
import type { Link } from '../link/link.ts';
import { Simulation } from '../link/sim.ts';
import { UdpLink } from '../link/udp.ts';
import type { Port } from '../transport/port.ts';
import { LocalSide, type Run } from './local-side.ts';
import type { Side } from './side.ts';
import { type Wire, watch } from './wire.ts';

/** A registered device and what drives it. Drivers whose class has these can be judged as they are. */
export interface Machine {
  readonly device: Device;
  readonly engine: {
    /** Takes in what has arrived, and sends what can be sent. */
    progress(): number;
    /** Nothing is left to do until something arrives, or `nextDeadline` comes. */
    readonly idle: boolean;
    readonly nextDeadline: number;
    /** Where its packets pass; a device whose packets cannot be seen has none, and is judged without. */
    readonly port?: Port;
  };
  close(): void;
}

/** How a driver's device is made on a link. */
export interface DriverUnderTest {
  open(link: Link, clock: () => number, random: (below: number) => number): Machine;
  /** UDP port of its packets. Default 4791. */
  readonly port?: number;
  /** Statements it does not meet, each with the reason. */
  readonly exceptions?: Readonly<Record<string, string>>;
}

/** Two devices that reach each other. */
export interface Pair {
  readonly a: Side;
  readonly b: Side;
  /** What passes between them, where it can be seen. */
  readonly wire: Wire | null;
  close(): void | Promise<void>;
}

const STEP_US = 0.1;

/** On a simulated network, in virtual time. */
export function simulatedPair(driver: DriverUnderTest, seed = 1): Pair {
  const sim = new Simulation({ latencyUs: 2, seed });
  const random = (below: number): number => Math.floor(sim.random() * below);
  const machines = ['fd00::1', 'fd00::2'].map((address) =>
    driver.open(sim.node(address, { window: 256 * 1024, port: driver.port }), sim.clock, random),
  );
  const run: Run = async (done, withinUs) => {
    const end = sim.now + withinUs;
    for (;;) {
      for (const { engine } of machines) engine.progress();
      if (done() || sim.now >= end) return;
      if (machines.some(({ engine }) => !engine.idle)) {
        sim.run(Math.min(end, sim.now + STEP_US));
        continue;
      }
      // Nothing to do until the next packet, timer, or the end: an empty event stands for the last two.
      const next = Math.min(end, ...machines.map(({ engine }) => engine.nextDeadline));
      const alarm = sim.at(next - sim.now, () => {});
      sim.step();
      alarm.cancel();
      // What arrives together is taken in together.
      sim.run(Math.min(end, sim.now + STEP_US));
    }
  };
  return pairOf(machines, run, sim.clock);
}

/** Over UDP sockets of two addresses of this host, in real time. */
export function udpPair(driver: DriverUnderTest, addresses: readonly [string, string]): Pair {
  const machines: Machine[] = [];
  try {
    for (const address of addresses) machines.push(openUdp(driver, address));
  } catch (error) {
    for (const machine of machines) machine.close();
    throw error;
  }
  return pairOf(machines, realTime(machines), monotonic);
}

/** One device on a UDP socket of this host, driven all the time: its peer is elsewhere, and does not wait to be called. */
export function udpSide(driver: DriverUnderTest, address: string): { readonly side: Side; close(): void } {
  const machine = openUdp(driver, address);
  const side = new LocalSide(machine.device, realTime([machine]), monotonic);
  let open = true;
  const drive = (): void => {
    if (!open) return;
    machine.engine.progress();
    setImmediate(drive);
  };
  drive();
  return {
    side,
    close(): void {
      open = false;
      side.close();
      machine.close();
    },
  };
}

function openUdp(driver: DriverUnderTest, address: string): Machine {
  const link = new UdpLink({ addresses: [address], port: driver.port });
  try {
    return driver.open(link, monotonic, (below) => Math.floor(Math.random() * below));
  } catch (error) {
    link.close();
    throw error;
  }
}

const SPINS = 64;

/** Drives devices as time goes by; what else this process has to do gets its turns. */
export function realTime(machines: readonly Machine[]): Run {
  return async (done, withinUs) => {
    const end = monotonic() + withinUs;
    for (let n = 1; ; n++) {
      // The time first: what comes after it, because this process was held up, has not come in time.
      if (n > 1 && monotonic() >= end) return;
      for (const { engine } of machines) engine.progress();
      if (done()) return;
      if (n % SPINS === 0) await new Promise(setImmediate);
    }
  };
}

function pairOf(machines: readonly Machine[], run: Run, clock: () => number): Pair {
  const [a, b] = machines.map(({ device }) => new LocalSide(device, run, clock));
  return {
    a,
    b,
    wire: watch(machines, clock),
    close(): void {
      for (const side of [a, b]) side.close();
      for (const machine of machines) machine.close();
    },
  };
}
