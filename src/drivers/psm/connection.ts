// A connection to another endpoint: a reliable queue pair, and what is to be posted to it.
import { Access, QpAttrMask as M, nameOf, QpState, SendFlags, WcStatus, WrOpcode } from '../../core/constants.ts';
import type { QpAttr, QueuePair } from '../../core/qp.ts';
import { modifyQp } from '../../core/verbs.ts';
import { SendWr, type Sge } from '../../core/work.ts';
import { Fifo } from '../../link/fifo.ts';
import type { Request } from './request.ts';

export type ConnectionState = 'connecting' | 'connected' | 'failed';

/** What is to be posted when the connection is there and has room. */
export interface Outgoing {
  readonly opcode: number;
  readonly sge: Sge;
  readonly remoteAddr: number;
  readonly rkey: number;
  /** Called with its completion: true for success. */
  completed(ok: boolean): void;
}

const TIMEOUT = 14;
const RETRIES = 7;
const RNR_TIMER = 12;
const READS = 8;

export class Connection {
  readonly epid: number;
  readonly qp: QueuePair;
  /** The first PSN of what this end sends. */
  readonly psn: number;
  state: ConnectionState = 'connecting';
  /** Why it failed. */
  reason: string | null = null;
  /** Rendezvous sends that have not been read yet. */
  readonly ready = new Map<number, Request>();
  private readonly queue = new Fifo<Outgoing>();
  private readonly posted = new Fifo<Outgoing>();
  private readonly depth: number;
  private readonly wr = new SendWr();

  constructor(epid: number, qp: QueuePair, psn: number) {
    this.epid = epid;
    this.qp = qp;
    this.psn = psn;
    this.depth = qp.cap.maxSendWr;
  }

  /** Requests that were posted, or wait to be. */
  get pending(): number {
    return this.queue.length + this.posted.length;
  }

  /** To RTS, to the queue pair that the peer has named. */
  join(qpn: number, psn: number, lid: number): void {
    const av = {
      dgid: new Uint8Array(16),
      sgidIndex: 0,
      trafficClass: 0,
      hopLimit: 0,
      flowLabel: 0,
      port: 1,
      sl: 0,
      dlid: lid,
    };
    const device = this.qp.context.device;
    const attr: Partial<QpAttr> = {
      ...{ pkeyIndex: 0, port: 1, accessFlags: Access.REMOTE_READ | Access.REMOTE_WRITE },
      ...{ av, pathMtu: device.ops.queryPort(1).activeMtu, destQpn: qpn, rqPsn: psn, maxDestRdAtomic: READS },
      ...{
        minRnrTimer: RNR_TIMER,
        sqPsn: this.psn,
        timeout: TIMEOUT,
        retryCnt: RETRIES,
        rnrRetry: RETRIES,
        maxRdAtomic: READS,
      },
    };
    const rtr = M.STATE | M.AV | M.PATH_MTU | M.DEST_QPN | M.RQ_PSN | M.MAX_DEST_RD_ATOMIC | M.MIN_RNR_TIMER;
    const rts = M.STATE | M.SQ_PSN | M.TIMEOUT | M.RETRY_CNT | M.RNR_RETRY | M.MAX_QP_RD_ATOMIC;
    modifyQp(this.qp, { ...attr, state: QpState.RTR }, rtr);
    modifyQp(this.qp, { ...attr, state: QpState.RTS }, rts);
    this.state = 'connected';
    this.postQueued();
  }

  post(outgoing: Outgoing): void {
    if (this.state === 'failed') return outgoing.completed(false);
    if (this.queue.length === 0 && this.hasRoom) return this.postNow(outgoing);
    this.queue.push(outgoing);
  }

  /** The oldest request that was posted has completed. */
  completed(ok: boolean, status: number): void {
    const oldest = this.posted.shift();
    try {
      oldest?.completed(ok);
    } finally {
      if (!ok) this.fail(nameOf(WcStatus, status));
      else this.postQueued();
    }
  }

  fail(reason: string): void {
    if (this.state === 'failed') return;
    this.state = 'failed';
    this.reason = reason;
    abandon(this.queue);
    for (const request of this.ready.values()) request.finish('failed');
    this.ready.clear();
  }

  /** Nothing will be heard of what was posted. */
  close(): void {
    this.fail('the endpoint is closed');
    abandon(this.posted);
  }

  private get hasRoom(): boolean {
    return this.state === 'connected' && this.posted.length < this.depth;
  }

  private postQueued(): void {
    while (this.queue.length > 0 && this.hasRoom) this.postNow(this.queue.shift()!);
  }

  private postNow(outgoing: Outgoing): void {
    const { wr } = this;
    this.posted.push(outgoing);
    wr.opcode = outgoing.opcode;
    wr.flags = SendFlags.SIGNALED;
    wr.sge[0] = outgoing.sge;
    wr.numSge = outgoing.sge.length === 0 ? 0 : 1;
    wr.remoteAddr = outgoing.remoteAddr;
    wr.rkey = outgoing.rkey;
    this.qp.context.device.ops.postSend(this.qp, wr);
  }
}

function abandon(all: Fifo<Outgoing>): void {
  for (let next = all.shift(); next !== undefined; next = all.shift()) next.completed(false);
}

export const SEND = WrOpcode.SEND;
export const READ = WrOpcode.RDMA_READ;
export const WRITE = WrOpcode.RDMA_WRITE;
