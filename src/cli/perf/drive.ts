// Runs a role until it has finished: by polling, or by waiting for completions.
import type { Completion, CompletionQueue } from '../../api/index.ts';
import { CliError } from '../errors.ts';
import { Pace } from './pace.ts';
import type { Role } from './role.ts';

const BATCH = 16;
/** Waiting is interrupted so often, to see whether the measurement is over. */
const WAKE_MS = 20;
/** Without a sign of life for so long, a role is told that it has stalled. */
const STALL_MS = 100;
const HANG_MS = 20_000;

export interface Driving {
  readonly cq: CompletionQueue;
  /** Why it makes no sense to go on, or null. */
  fault(): Error | null;
  readonly events: boolean;
  readonly eager: boolean;
  /** Where nothing may happen for as long as the peer pleases. */
  readonly patient: boolean;
}

export async function drive(role: Role, driving: Driving): Promise<void> {
  const { cq, events, eager } = driving;
  const watch = new Watch(role, driving.patient);
  if (events) {
    await waitAndRun(role, driving, watch);
    return;
  }
  const pace = new Pace(eager);
  const into: Completion[] = [];
  while (!spin(role, cq, pace, into)) {
    await pace.turn();
    watch.look();
    const fault = driving.fault();
    if (fault !== null && !role.finished) throw fault;
  }
}

/** Polls until the role has finished (true) or the event loop should have its turn. */
function spin(role: Role, cq: CompletionQueue, pace: Pace, into: Completion[]): boolean {
  for (;;) {
    role.advance();
    if (role.finished) return true;
    const n = cq.pollInto(into, BATCH);
    for (let i = 0; i < n; i++) role.completed(into[i]);
    if (pace.due(n)) return false;
  }
}

async function waitAndRun(role: Role, { cq, fault }: Driving, watch: Watch): Promise<void> {
  let wake = new AbortController();
  const timer = setInterval(() => wake.abort(), WAKE_MS);
  try {
    for (;;) {
      role.advance();
      if (role.finished) return;
      const reason = fault();
      if (reason !== null) throw reason;
      try {
        role.completed(await cq.next({ signal: wake.signal }));
      } catch (error) {
        if (!wake.signal.aborted || error !== wake.signal.reason) throw error;
        wake = new AbortController();
        watch.look();
      }
    }
  } finally {
    clearInterval(timer);
  }
}

/** Notices when nothing moves any more. */
class Watch {
  private readonly role: Role;
  private readonly patient: boolean;
  private count = -1;
  private movedAt = 0;
  private toldAt = 0;

  constructor(role: Role, patient: boolean) {
    this.role = role;
    this.patient = patient;
  }

  look(): void {
    const now = performance.now();
    if (this.role.count !== this.count) {
      this.count = this.role.count;
      this.movedAt = now;
      this.toldAt = now;
      return;
    }
    if (now - this.toldAt > STALL_MS) {
      this.toldAt = now;
      this.role.stalled();
    }
    if (!this.patient && now - this.movedAt > HANG_MS) {
      throw new CliError('nothing has moved for 20 s: is UDP port 4791 blocked by a firewall between the two ends?');
    }
  }
}
