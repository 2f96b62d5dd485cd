// End-to-end flow control (IBTA 9.7.7.2): a responder may say in its acknowledgements how many receive work requests it has,
// and a requester then holds back what would find none. Linux rxe announces "no limit" and does not look at what peers
// announce; NICs that announce credits are honoured here. Before a peer has announced any it counts as unlimited: at worst it
// answers RNR NAK.
import { WrOpcode } from '../core/constants.ts';
import { AETH_ACK_UNLIMITED, AETH_VALUE_MASK, aethCredits, encodeAethCredits } from '../wire/aeth.ts';
import type { SoftQp } from './qp.ts';

/** SENDs and WRITEs with immediate data take receive work requests of the peer. */
const CONSUMES =
  (1 << WrOpcode.SEND) |
  (1 << WrOpcode.SEND_WITH_IMM) |
  (1 << WrOpcode.SEND_WITH_INV) |
  (1 << WrOpcode.RDMA_WRITE_WITH_IMM);

export const consumes = (op: number): boolean => (CONSUMES & (1 << op)) !== 0;

/**
 * Must the message at `index` of the send queue wait for credits? One beyond them may always be sent (the limited work
 * request), and while nothing is outstanding no acknowledgement could bring any: a lone request always goes.
 *
 * What is outstanding is counted, not the message numbers of the acknowledgements, which say the same: to a peer a READ that
 * is asked for in pieces is several messages.
 */
export function lacksCredit(qp: SoftQp, index: number, op: number): boolean {
  // An older one has been sent before: it was let go, and is sent again.
  if (!consumes(op) || qp.sq.next(index) !== qp.sqFresh) return false;
  return qp.sendsOut - 1 > qp.credits && qp.una !== qp.nextPsn;
}

/** What a positive acknowledgement says of credits. `again`: of a PSN that was acknowledged before. */
export function takeCredits(qp: SoftQp, syndrome: number, again: boolean): void {
  const credits = aethCredits[syndrome & AETH_VALUE_MASK];
  // Such acknowledgements may overtake each other, and only ever bring more.
  if (again && credits >= 0 && credits <= qp.credits) return;
  qp.credits = credits;
}

/** The syndrome of a positive acknowledgement. */
export const ackSyndrome = (qp: SoftQp, announce: boolean): number =>
  announce && qp.rq !== null ? encodeAethCredits(qp.rq.count) : AETH_ACK_UNLIMITED;
