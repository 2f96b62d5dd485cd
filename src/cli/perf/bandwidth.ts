// Bandwidth: one end keeps its send queues full, the other takes what comes.
import type { Completion, SendWr } from '../../api/index.ts';
import type { Throughput } from './protocol.ts';
import { RateMeter } from './rate-meter.ts';
import type { Role } from './role.ts';
import { LANE, type Lane, RECV, type Station } from './station.ts';

/** Requests posted with one doorbell, the last of them signaled. */
const BATCH = 16;
/** How long nothing has come when an unreliable transport is taken to have delivered what it will. */
const QUIET_MS = 30;

interface Stream {
  readonly lane: Lane;
  readonly batch: SendWr[];
  /** The rest of the messages when the batch does not divide them. */
  readonly rest: SendWr[];
  posted: number;
  completed: number;
}

function batchOf(station: Station, lane: Lane, size: number, n: number): SendWr[] {
  return Array.from({ length: n }, (_, i) => station.request(lane, size, i === n - 1 ? n : 0));
}

/** Sends, writes, reads … `iters` messages on each lane, or until stopped. */
export class Sender implements Role {
  private readonly rate = new RateMeter();
  count = 0;
  private readonly streams: Stream[];
  private readonly target: number;
  private readonly depth: number;
  private stopping = false;
  private open: number;

  constructor(station: Station, size: number, iters: number) {
    const { txDepth } = station.params;
    this.depth = txDepth;
    this.target = iters;
    // At least two batches fit, so that one is posted while the other is under way.
    const batch = Math.max(1, Math.min(BATCH, txDepth >> 1));
    const rest = Number.isFinite(iters) ? iters % batch : 0;
    this.streams = station.lanes.map((lane) => ({
      lane,
      batch: batchOf(station, lane, size, batch),
      rest: batchOf(station, lane, size, rest),
      posted: 0,
      completed: 0,
    }));
    this.open = this.streams.length;
    this.rate.start();
  }

  get finished(): boolean {
    return this.open === 0;
  }

  /** Posts no more; what is under way is waited for. */
  stop(): void {
    this.stopping = true;
    this.open = 0;
    for (const s of this.streams) if (s.completed < s.posted) this.open++;
  }

  advance(): void {
    if (this.stopping) return;
    const { streams, target, depth } = this;
    for (let i = 0; i < streams.length; i++) {
      const s = streams[i];
      while (s.posted < target) {
        const list = target - s.posted >= s.batch.length ? s.batch : s.rest;
        if (s.posted - s.completed + list.length > depth) break;
        s.lane.qp.postSend(list);
        s.posted += list.length;
      }
    }
  }

  completed(wc: Completion): void {
    if (!wc.ok) wc.orThrow();
    const { wrId } = wc;
    const s = this.streams[Math.floor(wrId / LANE)];
    const messages = wrId % LANE;
    s.completed += messages;
    this.count += messages;
    this.rate.note(this.count);
    if (s.completed === s.posted && (this.stopping || s.posted >= this.target)) this.open--;
  }

  stalled(): void {}

  /** Messages done on each lane. */
  get perLane(): number[] {
    return this.streams.map((s) => s.completed);
  }

  throughput(): Throughput {
    return { messages: this.count, seconds: this.rate.seconds, average: this.rate.average, peak: this.rate.peak };
  }
}

/** Takes the messages of SENDs, posting the receive requests anew. */
export class Receiver implements Role {
  private readonly rate = new RateMeter();
  count = 0;
  bytes = 0;
  private readonly lanes: readonly Lane[];
  private expected = Number.POSITIVE_INFINITY;
  private lastAt = 0;

  constructor(station: Station) {
    this.lanes = station.lanes;
  }

  /** The peer has sent `expected` messages in all and sends no more. */
  stop(expected: number): void {
    this.expected = expected;
    this.lastAt = performance.now();
  }

  get finished(): boolean {
    if (this.count >= this.expected) return true;
    return this.expected !== Number.POSITIVE_INFINITY && performance.now() - this.lastAt > QUIET_MS;
  }

  advance(): void {}

  completed(wc: Completion): void {
    if (!wc.ok) wc.orThrow();
    const lane = this.lanes[wc.wrId - RECV];
    lane.qp.postRecv(lane.recvWr);
    // The first to arrive starts the clock.
    if (this.count === 0) this.rate.start();
    this.count++;
    this.bytes += wc.byteLen;
    this.rate.note(this.count - 1);
    if (this.expected !== Number.POSITIVE_INFINITY) this.lastAt = performance.now();
  }

  stalled(): void {}

  throughput(): Throughput {
    return { messages: this.count, seconds: this.rate.seconds, average: this.rate.average, peak: this.rate.peak };
  }
}

/** Both at once. */
export class Duplex implements Role {
  private readonly sender: Role;
  private readonly receiver: Role;

  constructor(sender: Role, receiver: Role) {
    this.sender = sender;
    this.receiver = receiver;
  }

  get count(): number {
    return this.sender.count + this.receiver.count;
  }

  get finished(): boolean {
    return this.sender.finished && this.receiver.finished;
  }

  advance(): void {
    this.sender.advance();
    this.receiver.advance();
  }

  completed(wc: Completion): void {
    if (wc.wrId >= RECV) this.receiver.completed(wc);
    else this.sender.completed(wc);
  }

  stalled(): void {
    this.sender.stalled();
    this.receiver.stalled();
  }
}
