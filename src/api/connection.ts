import type { RdmaCmEvent } from '../cm/rdma/events.ts';
import { sockAddrText } from '../cm/rdma/sockaddr.ts';
import { QpAttrMask, QpState } from '../core/constants.ts';
import { deallocMw, deallocPd, deregMr, destroyAh, destroyQp, destroySrq } from '../core/verbs.ts';
import { addressText } from '../os/addresses.ts';
import type { CmSession } from './cm-session.ts';
import type { CompletionQueue } from './cq.ts';
import type { CreateQpOptions, ProtectionDomain } from './pd.ts';
import type { QueuePair } from './qp.ts';

/** One end of a connection. */
export interface ConnectionAddress {
  readonly address: string;
  readonly port: number;
}

/** What a connection's queue pair shall be; all have defaults. */
export interface ConnectionQpOptions extends Partial<Omit<CreateQpOptions, 'type'>> {
  /** Default: one of its own. */
  readonly pd?: ProtectionDomain;
  /** Called when the queue pair is in INIT: the time to post receive requests, before the peer can send. */
  readonly prepare?: (qp: QueuePair, pd: ProtectionDomain) => void;
  /** Told to the peer's program, which has it as `privateData`: 56 bytes with connect, 196 with accept. */
  readonly privateData?: Uint8Array;
  /** READs and atomics that the peer may have outstanding here, and we there. Default 16. */
  readonly responderResources?: number;
  readonly initiatorDepth?: number;
  /** Retransmissions before a request fails. Default 7. */
  readonly retryCnt?: number;
  /** Retries while the peer has no receive request posted; 7: for ever. Default 7. */
  readonly rnrRetry?: number;
  /** Local ACK timeout: 4.096 µs · 2^ackTimeout. Default 14 (67 ms). Only connect sets it. */
  readonly ackTimeout?: number;
  /** Stops waiting for the peer. */
  readonly signal?: AbortSignal;
}

/** @internal */
export interface ConnectionParts {
  readonly session: CmSession;
  readonly qp: QueuePair;
  readonly pd: ProtectionDomain;
  /** What was made for this connection, and ends with it. */
  readonly owned: readonly { close(): void }[];
  readonly privateData: Uint8Array;
}

/** A connection with its queue pair, in RTS: made by {@link connect}, or by accepting what a {@link Server} was asked. */
export class Connection {
  readonly qp: QueuePair;
  readonly pd: ProtectionDomain;
  readonly sendCq: CompletionQueue;
  readonly recvCq: CompletionQueue;
  /** What the peer's program said when it connected or accepted, filled up with zeros. */
  readonly privateData: Buffer;
  /** Resolves when the connection has ended, by whomever. */
  readonly closed: Promise<void>;
  private readonly session: CmSession;
  private readonly owned: readonly { close(): void }[];
  private readonly forget: () => void;
  private end!: () => void;
  private done = false;
  private ended = false;

  /** @internal */
  constructor(parts: ConnectionParts, sendCq: CompletionQueue, recvCq: CompletionQueue) {
    this.session = parts.session;
    this.qp = parts.qp;
    this.pd = parts.pd;
    this.sendCq = sendCq;
    this.recvCq = recvCq;
    this.owned = parts.owned;
    this.privateData = Buffer.from(parts.privateData);
    this.closed = new Promise((resolve) => {
      this.end = resolve;
    });
    this.forget = this.session.host.onClose(() => this.close());
    this.session.listen((event) => this.onEvent(event));
  }

  /** It has ended, by whomever. */
  get over(): boolean {
    return this.ended;
  }

  get local(): ConnectionAddress {
    const { address, port } = this.session.id.src!;
    return { address: addressText(address), port };
  }

  get remote(): ConnectionAddress {
    const { address, port } = this.session.id.dst!;
    return { address: addressText(address), port };
  }

  private onEvent(event: RdmaCmEvent): void {
    if (event.type !== 'DISCONNECTED' && event.type !== 'REJECTED' && event.type !== 'DEVICE_REMOVAL') return;
    const asked = event.id.disconnecting;
    this.stop();
    // The peer asked: it gets its answer.
    if (event.type === 'DISCONNECTED' && !asked && event.status === 0) event.id.disconnect();
  }

  /** All that is posted is flushed; nobody can reach us any more. */
  private stop(): void {
    if (this.ended) return;
    this.ended = true;
    this.toError();
    this.end();
  }

  private toError(): void {
    if (this.qp.core.destroyed || this.qp.state === 'ERR') return;
    // What was received is acknowledged: the peer's last requests shall not fail for that.
    this.session.host.device.progress();
    if (this.qp.core.state !== QpState.ERR) this.qp.modify({ state: QpState.ERR }, QpAttrMask.STATE);
  }

  /** Tells the peer that the connection is over, and waits until it knows, or does not answer. What is posted is flushed. */
  async disconnect(): Promise<void> {
    if (!this.ended) {
      this.toError();
      this.session.id.disconnect();
    }
    await this.closed;
  }

  /** Ends the connection, if it is not over, and destroys the queue pair and what else was made for it. */
  close(): void {
    if (this.done) return;
    this.done = true;
    this.forget();
    this.stop();
    this.session.id.destroy();
    for (const object of this.owned) object.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Disconnects, waits until the peer knows, and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.done) await this.disconnect();
    this.close();
  }

  toString(): string {
    const { src, dst } = this.session.id;
    return `connection ${sockAddrText(src!)} to ${sockAddrText(dst!)}`;
  }
}

/** @internal A queue pair for a session, in INIT; `owned` is what was made for it. */
export function prepareQp(
  session: CmSession,
  options: ConnectionQpOptions,
): {
  qp: QueuePair;
  pd: ProtectionDomain;
  sendCq: CompletionQueue;
  recvCq: CompletionQueue;
  owned: { close(): void }[];
} {
  const { device } = session.host;
  const owned: { close(): void }[] = [];
  try {
    const pd = options.pd ?? device.allocPd();
    if (options.pd === undefined) owned.unshift({ close: () => closeWithContents(pd) });
    const sendCq = options.sendCq ?? device.createCq();
    if (options.sendCq === undefined) owned.unshift(sendCq);
    const recvCq = options.recvCq ?? sendCq;
    const { srq, maxSendWr, maxRecvWr, maxSendSge, maxRecvSge, maxInlineData, sqSigAll } = options;
    const cap = { srq, maxSendWr, maxRecvWr, maxSendSge, maxRecvSge, maxInlineData, sqSigAll };
    const qp = pd.createQp({ type: 'RC', sendCq, recvCq, ...cap });
    owned.unshift(qp);
    session.walk(qp, QpState.INIT);
    options.prepare?.(qp, pd);
    return { qp, pd, sendCq, recvCq, owned };
  } catch (error) {
    for (const object of owned) object.close();
    throw error;
  }
}

/** Closes the protection domain of a connection, and before it what the program has registered in it. */
function closeWithContents({ core }: ProtectionDomain): void {
  if (core.destroyed) return;
  if (core.users > 0) {
    const { handles } = core.context;
    for (const qp of handles.ofKind('qp')) if (qp.pd === core) destroyQp(qp);
    for (const mw of handles.ofKind('mw')) if (mw.pd === core) deallocMw(mw);
    for (const srq of handles.ofKind('srq')) if (srq.pd === core) destroySrq(srq);
    for (const ah of handles.ofKind('ah')) if (ah.pd === core) destroyAh(ah);
    for (const mr of handles.ofKind('mr')) if (mr.pd === core) deregMr(mr);
  }
  deallocPd(core);
}
