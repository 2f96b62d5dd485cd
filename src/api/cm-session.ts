// An rdma_cm id of the API with the events it gets.

import { EventChannel } from '../cm/rdma/channel.ts';
import type { CmEventName, RdmaCmEvent } from '../cm/rdma/events.ts';
import type { RdmaCmId } from '../cm/rdma/id.ts';
import { QpState } from '../core/constants.ts';
import { ConnectError, refused, unserved } from './cm-errors.ts';
import type { CmHost } from './cm-host.ts';
import type { QueuePair } from './qp.ts';

/** Code of the time that the peer waits when no receive request is posted: 0.64 ms (rdma_cm leaves it at 655 ms). */
const MIN_RNR_TIMER = 12;

interface Waiting {
  readonly resolve: (event: RdmaCmEvent) => void;
  readonly reject: (reason: unknown) => void;
}

/** The events of one id: awaited one by one while it is connected, then given to `onEvent`. */
export class CmSession {
  readonly host: CmHost;
  readonly id: RdmaCmId;
  readonly channel: EventChannel;
  /** Takes the events once the connection stands. */
  onEvent: ((event: RdmaCmEvent) => void) | null = null;
  private waiting: Waiting | null = null;

  constructor(host: CmHost, id: RdmaCmId, channel: EventChannel) {
    this.host = host;
    this.id = id;
    this.channel = channel;
    channel.onEvent = () => this.pump();
  }

  static forRequest(host: CmHost, id: RdmaCmId): CmSession {
    const channel = new EventChannel();
    id.migrate(channel);
    return new CmSession(host, id, channel);
  }

  private pump(): void {
    while (this.channel.length > 0) {
      const { waiting } = this;
      if (waiting === null && this.onEvent === null) return;
      const event = this.channel.get()!;
      if (waiting !== null) {
        this.waiting = null;
        waiting.resolve(event);
      } else this.onEvent!(event);
    }
  }

  /** From now on events go to `onEvent`. */
  listen(onEvent: (event: RdmaCmEvent) => void): void {
    this.onEvent = onEvent;
    this.pump();
  }

  private next(signal: AbortSignal | undefined): Promise<RdmaCmEvent> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const event = this.channel.get();
    if (event !== null) return Promise.resolve(event);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.waiting = null;
        reject(signal!.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      const done = (): void => signal?.removeEventListener('abort', onAbort);
      this.waiting = {
        resolve: (e) => {
          done();
          resolve(e);
        },
        reject: (reason) => {
          done();
          reject(reason);
        },
      };
    });
  }

  /** The device is closed: what is waited for will not come. */
  abort(reason: unknown): void {
    const { waiting } = this;
    this.waiting = null;
    waiting?.reject(reason);
  }

  /** The event that is waited for; what comes instead is an error. */
  async expect(type: CmEventName, where: string, signal?: AbortSignal): Promise<RdmaCmEvent> {
    const event = await this.next(signal);
    if (event.type === type) return event;
    const { status, conn } = event;
    if (event.type === 'REJECTED') throw refused(where, status, conn!.privateData);
    if (event.type === 'UNREACHABLE' && status > 0) throw unserved(where, status);
    if (event.type === 'UNREACHABLE') throw new ConnectError('ETIMEDOUT', `${where} does not answer`);
    if (event.type === 'ADDR_ERROR') {
      throw new ConnectError('EHOSTUNREACH', `${where} cannot be reached from the addresses of this device`);
    }
    if (event.type === 'DISCONNECTED') throw new ConnectError('ECONNRESET', `${where} has ended the connection`);
    throw new ConnectError('ECONNABORTED', `${event.type} instead of ${type}`);
  }

  /** Accepting: what the queue pair grants and asks for in READs and atomics. */
  setResources(responderResources: number, initiatorDepth: number): void {
    const { ib } = this.id;
    if (ib === null) throw new ConnectError('ECONNABORTED', 'the request is gone');
    ib.responderResources = responderResources;
    ib.initiatorDepth = initiatorDepth;
  }

  /** Takes the queue pair through the states, with the attributes that the connection manager has for each. */
  walk(qp: QueuePair, ...states: number[]): void {
    for (const state of states) {
      const { attr, mask } = this.id.initQpAttr(state);
      qp.modify(state === QpState.RTR ? { ...attr, minRnrTimer: MIN_RNR_TIMER } : attr, mask);
    }
  }
}
