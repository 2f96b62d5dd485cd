import type { Timed } from './heap.ts';

/** Something to happen later; made by {@link Simulation.at}. */
export class SimTimer implements Timed {
  time: number;
  seq = 0;
  /** @internal */
  fn: (() => void) | null;

  constructor(time: number, fn: () => void) {
    this.time = time;
    this.fn = fn;
  }

  /** It will not happen. */
  cancel(): void {
    this.fn = null;
  }
}
