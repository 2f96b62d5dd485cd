import type { Completion, Device } from '../../api/index.ts';

/** What one end does during a measurement. The driver calls `advance`, polls, and hands over what has completed. */
export interface Role {
  /** Posts what can be posted; looks at memory. */
  advance(): void;
  completed(wc: Completion): void;
  /** Checked after `advance`. */
  readonly finished: boolean;
  /** Grows as long as something moves. */
  readonly count: number;
  /** A while has passed without anything: what got lost may be sent again. */
  stalled(): void;
}

/** What the end that is acted upon does where its CPU takes no part: nothing, until it is told to stop. */
export class Passive implements Role {
  finished = false;
  private readonly device: Device;

  constructor(device: Device) {
    this.device = device;
  }

  get count(): number {
    return this.device.packetsReceived;
  }

  advance(): void {}

  completed(wc: Completion): void {
    wc.orThrow();
  }

  stalled(): void {}

  stop(): void {
    this.finished = true;
  }
}

/** Plays another role until `done`, whether that has finished or not. */
export class Until implements Role {
  private readonly role: Role;
  private readonly done: () => boolean;

  constructor(role: Role, done: () => boolean) {
    this.role = role;
    this.done = done;
  }

  get finished(): boolean {
    return this.done();
  }

  get count(): number {
    return this.role.count;
  }

  advance(): void {
    this.role.advance();
  }

  completed(wc: Completion): void {
    this.role.completed(wc);
  }

  stalled(): void {
    this.role.stalled();
  }
}
