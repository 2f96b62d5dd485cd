// What drives the communications of a device: their table of states, their timers, and the sending that may have to be repeated.
import { VerbsError } from '../../core/errors.ts';
import { type CmMessage, encodeCm } from '../../wire/cm-message.ts';
import type { MadAddress, MadPort } from '../mad-port.ts';
import type { IbCmEvent, Verdict } from './events.ts';
import type { IbCmId } from './id.ts';
import { IdTable } from './id-table.ts';
import { type CmInput, type CmState, transition } from './states.ts';
import { ackTimeoutOf, cmTimeUs } from './time.ts';
import { CmTimers } from './timers.ts';

export interface IbCmOptions {
  readonly port: MadPort;
  /** Microseconds that only go forward. */
  readonly clock: () => number;
  /** Random number below a bound: communication ids are drawn. */
  readonly random: (below: number) => number;
  /** How long the device takes to acknowledge: 4.096 µs times two to this (`local_ca_ack_delay`). Default 15, as rxe. */
  readonly caAckDelay?: number;
  /** Communications at a time, those in TIMEWAIT included; requests beyond are dropped. Default 65536. */
  readonly limit?: number;
}

const WAITING: ReadonlySet<CmState> = new Set<CmState>([
  'REQ_SENT',
  'MRA_REQ_RCVD',
  'REP_SENT',
  'MRA_REP_RCVD',
  'DREQ_SENT',
  'SIDR_REQ_SENT',
]);

export abstract class CmMachine {
  readonly port: MadPort;
  readonly ids: IdTable;
  readonly caAckDelay: number;
  readonly limit: number;
  /** Requests dropped because there was no room. */
  dropped = 0;
  /** Messages sent again because no answer came. */
  resent = 0;
  private readonly clock: () => number;
  private readonly timers = new CmTimers();

  constructor(options: IbCmOptions) {
    this.port = options.port;
    this.clock = options.clock;
    this.ids = new IdTable(options.random);
    this.caAckDelay = options.caAckDelay ?? 15;
    this.limit = options.limit ?? 65536;
  }

  /** Something happened to a communication whose user is gone: answers where somebody must. */
  protected abstract unattended(id: IbCmId): void;

  // Whoever drives it

  /** When {@link progress} must be called; Infinity: never. */
  get nextDeadline(): number {
    return this.timers.next;
  }

  /** Sends again what was not answered, and ends what has waited long enough. */
  progress(): void {
    const now = this.clock();
    for (let id = this.timers.due(now); id !== null; id = this.timers.due(now)) this.expired(id, now);
  }

  private expired(id: IbCmId, now: number): void {
    if (WAITING.has(id.state) && id.retriesLeft > 0) {
      id.retriesLeft--;
      this.resent++;
      this.resend(id);
      this.timers.set(id, now + id.timeoutUs);
      return;
    }
    const was = id.state;
    if (!this.step(id, 'expire')) return;
    if (was === 'TIMEWAIT') this.deliver({ type: 'TIMEWAIT_EXIT', id });
    else if (was === 'DREQ_SENT') this.deliver({ type: 'DREQ_ERROR', id });
    else if (was === 'SIDR_REQ_SENT') this.deliver({ type: 'SIDR_REQ_ERROR', id });
    else if (was === 'REQ_SENT' || was === 'MRA_REQ_RCVD') this.deliver({ type: 'REQ_ERROR', id });
    else this.deliver({ type: 'REP_ERROR', id });
  }

  // For the receiver

  /** @internal Moves on as the table says; false when it says nothing. */
  step(id: IbCmId, input: CmInput): boolean {
    const t = transition(id.state, input);
    if (t === undefined) return false;
    const from = id.state;
    id.state = t.to;
    if (from === t.to) return true;
    if (t.to === 'TIMEWAIT') {
      // IBTA 12.9.8.4: until packets that are still on their way have arrived.
      const timeout = ackTimeoutOf(id.targetAckDelay, Math.max(0, id.ackTimeout - 1));
      this.timers.set(id, this.clock() + cmTimeUs(timeout));
    } else if (!WAITING.has(t.to)) {
      this.timers.set(id, Number.POSITIVE_INFINITY);
    }
    if (t.to === 'IDLE') {
      this.ids.unname(id);
      if (id.destroyed) this.ids.remove(id);
    }
    return true;
  }

  /** @internal */
  deliver(event: IbCmEvent): Verdict {
    const { id } = event;
    if (!id.destroyed) return id.handler?.(event);
    this.unattended(id);
    return undefined;
  }

  /** @internal */
  resend(id: IbCmId): void {
    if (id.last !== null && id.peer !== null) this.port.send(id.peer, id.last);
  }

  /** @internal The peer asks for patience. */
  prolong(id: IbCmId, serviceTimeout: number): void {
    this.timers.set(id, this.clock() + cmTimeUs(serviceTimeout) + id.timeoutUs);
  }

  /** @internal An answer without a communication. */
  reply(to: MadAddress, message: CmMessage): void {
    this.port.send(to, encodeCm(message));
  }

  protected remove(id: IbCmId): void {
    this.timers.set(id, Number.POSITIVE_INFINITY);
    id.state = 'IDLE';
    this.ids.remove(id);
  }

  protected allow(verb: string, id: IbCmId, input: CmInput): void {
    if (transition(id.state, input) === undefined) {
      throw new VerbsError(verb, 'EINVAL', `a communication in state ${id.state} cannot ${input}`);
    }
  }

  protected sendOnce(id: IbCmId, message: CmMessage): void {
    id.last = encodeCm(message);
    this.resend(id);
  }

  protected sendAndWait(id: IbCmId, message: CmMessage): void {
    id.retriesLeft = id.maxRetries;
    this.timers.set(id, this.clock() + id.timeoutUs);
    this.sendOnce(id, message);
  }
}
