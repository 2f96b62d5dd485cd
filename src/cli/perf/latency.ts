// Latency, one message at a time. As in perftest: SEND and WRITE are measured as half a round trip, READ and atomics as a
// whole one, because only these are answered by the peer's device itself.
import type { Completion, SendWr } from '../../api/index.ts';
import type { Role } from './role.ts';
import { Samples } from './samples.ts';
import { type Lane, RECV, type Station } from './station.ts';

/** Every so many sends ask for a completion. */
const SIGNAL_EVERY = 16;

/** Sends of a ping-pong: unsignaled but for one in a while, and each with its number in its last byte. */
class Pings {
  private readonly lane: Lane;
  private readonly size: number;
  private readonly plain: SendWr;
  private readonly signaled: SendWr;
  private sinceSignal = 0;

  constructor(station: Station, size: number) {
    this.lane = station.lanes[0];
    this.size = size;
    this.plain = station.request(this.lane, size, 0);
    this.signaled = station.request(this.lane, size, 1);
  }

  post(number: number): void {
    const { lane } = this;
    lane.source[this.size - 1] = number;
    if (++this.sinceSignal < SIGNAL_EVERY) {
      lane.qp.postSend(this.plain);
      return;
    }
    this.sinceSignal = 0;
    lane.qp.postSend(this.signaled);
  }
}

/** What sender and answerer of a ping-pong have in common. */
abstract class PingPong implements Role {
  count = 0;
  /** Messages that were sent again because no answer came: on UC and UD they may be lost. */
  lost = 0;
  protected readonly pings: Pings;
  protected readonly lane: Lane;
  protected readonly last: number;
  protected readonly reliable: boolean;
  abstract readonly finished: boolean;

  constructor(station: Station, size: number) {
    this.lane = station.lanes[0];
    this.pings = new Pings(station, size);
    this.last = size - 1;
    this.reliable = station.params.connection === 'rc';
  }

  abstract advance(): void;
  abstract stalled(): void;

  /** True when it was a message; then its receive request has been posted anew. */
  protected received(wc: Completion): boolean {
    if (!wc.ok) wc.orThrow();
    if (wc.wrId < RECV) return false;
    this.lane.qp.postRecv(this.lane.recvWr);
    return true;
  }

  completed(wc: Completion): void {
    this.received(wc);
  }
}

/** Client of the SEND and WRITE ping-pong. */
export class Ping extends PingPong {
  readonly samples: Samples;
  private readonly memory: boolean;
  private readonly target: number;
  private waiting = false;
  private number = 0;
  private startedAt = 0;
  private stopping = false;

  constructor(station: Station, size: number, iters: number) {
    super(station, size);
    this.samples = new Samples(iters);
    this.memory = station.params.op === 'write';
    this.target = iters;
  }

  get finished(): boolean {
    return !this.waiting && (this.stopping || this.count >= this.target);
  }

  stop(): void {
    this.stopping = true;
  }

  advance(): void {
    if (this.waiting) {
      if (!this.memory || this.lane.target[this.last] !== this.number) return;
      this.answered();
    }
    if (this.stopping || this.count >= this.target) return;
    this.number = (this.number + 1) & 0xff;
    this.waiting = true;
    this.startedAt = performance.now();
    this.pings.post(this.number);
  }

  override completed(wc: Completion): void {
    if (this.received(wc) && this.waiting && this.lane.target[this.last] === this.number) this.answered();
  }

  private answered(): void {
    this.samples.add((performance.now() - this.startedAt) * 500);
    this.waiting = false;
    this.count++;
  }

  stalled(): void {
    if (this.reliable || !this.waiting) return;
    this.lost++;
    this.startedAt = performance.now();
    this.pings.post(this.number);
  }
}

/** Server of the SEND and WRITE ping-pong: answers each message with its own number. */
export class Pong extends PingPong {
  finished = false;
  private readonly memory: boolean;
  private number = 0;

  constructor(station: Station, size: number) {
    super(station, size);
    this.memory = station.params.op === 'write';
  }

  stop(): void {
    this.finished = true;
  }

  advance(): void {
    if (this.memory && this.lane.target[this.last] !== this.number) this.answer();
  }

  override completed(wc: Completion): void {
    if (this.received(wc)) this.answer();
  }

  private answer(): void {
    this.number = this.lane.target[this.last];
    this.count++;
    this.pings.post(this.number);
  }

  stalled(): void {
    // The client's WRITE may have come and the answer been lost: it looks the same in memory.
    if (!this.reliable && this.memory && this.count > 0) this.pings.post(this.number);
  }
}

/** READ and atomics: from the request to its completion. */
export class RoundTrip implements Role {
  readonly samples: Samples;
  readonly lost = 0;
  count = 0;
  private readonly lane: Lane;
  private readonly wr: SendWr;
  private readonly target: number;
  private waiting = false;
  private stopping = false;
  private startedAt = 0;

  constructor(station: Station, size: number, iters: number) {
    this.lane = station.lanes[0];
    this.wr = station.request(this.lane, size, 1);
    this.samples = new Samples(iters);
    this.target = iters;
  }

  get finished(): boolean {
    return !this.waiting && (this.stopping || this.count >= this.target);
  }

  stop(): void {
    this.stopping = true;
  }

  advance(): void {
    if (this.waiting || this.stopping || this.count >= this.target) return;
    this.waiting = true;
    this.startedAt = performance.now();
    this.lane.qp.postSend(this.wr);
  }

  completed(wc: Completion): void {
    this.samples.add((performance.now() - this.startedAt) * 1000);
    if (!wc.ok) wc.orThrow();
    this.waiting = false;
    this.count++;
  }

  stalled(): void {}
}
