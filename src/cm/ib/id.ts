// One communication, from the first message to the end of TIMEWAIT (`struct ib_cm_id`).
import type { AddressVector } from '../../core/ah.ts';
import type { MadAddress } from '../mad-port.ts';
import type { IbCmHandler } from './events.ts';
import type { CmState } from './states.ts';

export class IbCmId {
  state: CmState = 'IDLE';
  /** Communication ids: our own is drawn at random. */
  readonly localId: number;
  remoteId = 0;
  handler: IbCmHandler | null;
  serviceId = 0n;
  /** Where the peer's MADs come from and ours go to. */
  peer: MadAddress | null = null;
  /** Transaction id of the REQ and what belongs to it, and of a DREQ that is to be answered. */
  tid = 0n;
  dreqTid = 0n;
  /** `CmTransport` */
  transport = 0;
  localQpn = 0;
  remoteQpn = 0;
  remoteCaGuid: Uint8Array | null = null;
  /** The peer's key in the tables of requests and of queue pairs; empty while it has none. */
  requestKey = '';
  qpKey = '';
  // The connection's attributes, for the queue pair.
  av: AddressVector | null = null;
  pkey = 0xffff;
  pathMtu = 0;
  /** Each side says with which PSN it wants to be sent to: ours is for receiving, the peer's for sending. */
  rqPsn = 0;
  sqPsn = 0;
  responderResources = 0;
  initiatorDepth = 0;
  retryCount = 0;
  rnrRetryCount = 0;
  ackTimeout = 0;
  targetAckDelay = 0;
  // Waiting
  /** What was sent last and is sent again: by the timer, or because the peer repeats itself. */
  last: Uint8Array | null = null;
  timeoutUs = 0;
  maxRetries = 0;
  retriesLeft = 0;
  deadline = Number.POSITIVE_INFINITY;
  /** The user has let go of it: it lives on in TIMEWAIT only, and says nothing. */
  destroyed = false;
  /** For the user. */
  context: unknown = null;

  constructor(localId: number, handler: IbCmHandler | null) {
    this.localId = localId;
    this.handler = handler;
  }
}
