// The exchange of messages, as ibv_*_pingpong does it: both sides send and receive into one buffer, and a queue pair sends
// again when its last send has completed and the answer has come.
import type { Completion } from '../../api/index.ts';
import type { Role } from '../perf/role.ts';

const RECV_DONE = 1;
const SEND_DONE = 2;
const BOTH = RECV_DONE | SEND_DONE;

/** wrId of receive requests; that of a send request is its queue pair's index. */
export const RECV_WRID = 2 ** 32;

export interface PingpongQueues {
  /** For each queue pair: posts its send request. */
  readonly send: (index: number) => void;
  /** Posts `n` receive requests. */
  readonly receive: (n: number) => void;
  readonly indexOf: ReadonlyMap<number, number>;
  readonly rxDepth: number;
  readonly iters: number;
}

export class PingpongRole implements Role {
  private readonly queues: PingpongQueues;
  private readonly pending: Uint8Array;
  private posted: number;
  private received = 0;
  private sent = 0;
  /** With fewer receive requests than this left, more are posted. */
  private readonly low: number;

  /** The receive requests are posted. */
  constructor(queues: PingpongQueues) {
    this.queues = queues;
    this.posted = queues.rxDepth;
    this.low = queues.indexOf.size;
    this.pending = new Uint8Array(this.low).fill(RECV_DONE);
  }

  /** The client begins. */
  begin(): void {
    for (let i = 0; i < this.pending.length; i++) {
      this.pending[i] = BOTH;
      this.queues.send(i);
    }
  }

  get count(): number {
    return this.received + this.sent;
  }

  get finished(): boolean {
    return this.received >= this.queues.iters && this.sent >= this.queues.iters;
  }

  advance(): void {}

  completed(wc: Completion): void {
    if (!wc.ok) wc.orThrow();
    const index = this.queues.indexOf.get(wc.qpn)!;
    if (wc.wrId >= RECV_WRID) {
      this.received++;
      if (--this.posted <= this.low) {
        this.queues.receive(this.queues.rxDepth - this.posted);
        this.posted = this.queues.rxDepth;
      }
      this.pending[index] &= ~RECV_DONE;
    } else {
      this.sent++;
      this.pending[index] &= ~SEND_DONE;
    }
    if (this.sent < this.queues.iters && this.pending[index] === 0) {
      this.pending[index] = BOTH;
      this.queues.send(index);
    }
  }

  stalled(): void {}
}
