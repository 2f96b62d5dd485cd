// Requests: what isend and irecv give, and test and wait ask.
import type { MemoryRegion } from '../../core/mr.ts';
import { deregMr } from '../../core/verbs.ts';
import { type Envelope, NO_TAG, type Tag, type Wanted } from './matched-queue.ts';
import type { Remote } from './protocol.ts';

export type RequestStatus = 'ok' | 'truncated' | 'cancelled' | 'failed';

/** A part of a region. */
export interface Span {
  readonly mr: MemoryRegion;
  readonly offset: number;
  readonly length: number;
}

export class Request {
  readonly kind: 'send' | 'receive';
  done = false;
  status: RequestStatus = 'ok';
  /** Of the message: who sent it, with which tag, how long it is; and how much of it is in the buffer. */
  source = 0;
  tag: Tag = NO_TAG;
  messageLength = 0;
  length = 0;
  /** What the receiver of a rendezvous reads from: it ends with the message. */
  readable: MemoryRegion | null = null;
  private readonly region: MemoryRegion;

  /** `region` is not deregistered before the request is done. */
  constructor(kind: 'send' | 'receive', region: MemoryRegion) {
    this.kind = kind;
    this.region = region;
    region.users++;
  }

  finish(status: RequestStatus = this.status): void {
    if (this.done) return;
    if (this.readable !== null) deregMr(this.readable);
    this.region.users--;
    this.status = status;
    this.done = true;
  }
}

/** A receive in the matched queue. */
export interface Receive extends Wanted {
  readonly request: Request;
  readonly span: Span;
}

/** A message that has come, or (rendezvous) waits at its sender. */
export interface Message extends Envelope {
  readonly length: number;
  /** Rendezvous: where it is. */
  readonly remote: Remote | null;
  /** Otherwise: its bytes are in `data` from `at` on. */
  data: Buffer;
  at: number;
}

/** As {@link iprobe} tells of a message. */
export interface Probe extends Envelope {
  readonly length: number;
}
