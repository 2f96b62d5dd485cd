// A loop that polls owes something to others: the event loop its turn (for the TCP connection, signals, and links that live in
// it), and other processes the CPU when there is nothing to do. Two processes that spin on one CPU, each waiting for the other,
// would otherwise need a whole time slice of the scheduler, milliseconds, for each message.
import type { Device } from '../../api/index.ts';

/** Milliseconds a loop polls on before the event loop has its turn (which takes some µs). */
const SLICE_MS = 3;
/** The clock is read every so many rounds. */
const ROUNDS = 32;
/** Milliseconds without anything after which the CPU is given away, for as short a time as timers can. */
const IDLE_MS = 0.1;
const NAP_MS = 0.02;

const turn = (resolve: () => void): void => {
  setImmediate(resolve);
};

export class Pace {
  private rounds = 0;
  private sliceEnd = performance.now() + SLICE_MS;
  private activeAt = performance.now();
  private packets = 0;
  private found = 0;
  private readonly device: Device;
  private readonly cell = new Int32Array(new SharedArrayBuffer(4));
  /** True for links that receive in the event loop: polling on without a turn would find nothing. */
  private readonly eager: boolean;

  constructor(device: Device, eager: boolean) {
    this.device = device;
    this.eager = eager;
  }

  /** Called after each round with the completions found: is it the event loop's turn? */
  due(found: number): boolean {
    const hopeless = this.eager && found === 0;
    this.found += found;
    if (++this.rounds < ROUNDS && !hopeless) return false;
    this.rounds = 0;
    const now = performance.now();
    const packets = this.device.packetsReceived;
    if (this.found > 0 || packets !== this.packets || !this.device.idle) {
      this.found = 0;
      this.packets = packets;
      this.activeAt = now;
    } else if (now - this.activeAt > IDLE_MS) {
      Atomics.wait(this.cell, 0, 0, NAP_MS);
    }
    return hopeless || now >= this.sliceEnd;
  }

  async turn(): Promise<void> {
    await new Promise<void>(turn);
    this.sliceEnd = performance.now() + SLICE_MS;
    this.rounds = 0;
  }
}
