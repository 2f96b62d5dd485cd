// The states of a communication and what leads from one to the other: IBTA vol. 1 section 12.9.7 (figures 144 and 145), with
// Linux's names (`enum ib_cm_state`). What is not in the table is refused to the user, and ignored when it comes from the peer.

export type CmState =
  | 'IDLE'
  | 'REQ_SENT'
  | 'REQ_RCVD'
  | 'MRA_REQ_SENT'
  | 'MRA_REQ_RCVD'
  | 'REP_SENT'
  | 'REP_RCVD'
  | 'MRA_REP_SENT'
  | 'MRA_REP_RCVD'
  | 'ESTABLISHED'
  | 'DREQ_SENT'
  | 'DREQ_RCVD'
  | 'TIMEWAIT'
  | 'SIDR_REQ_SENT'
  | 'SIDR_REQ_RCVD';

export type CmInput =
  // What the user does.
  | 'send REQ'
  | 'send MRA'
  | 'send REJ'
  | 'send REP'
  | 'send RTU'
  | 'send DREQ'
  | 'send DREP'
  | 'send SIDR_REQ'
  | 'send SIDR_REP'
  /** Data has arrived before the RTU did. */
  | 'establish'
  // What the peer does.
  | 'recv REQ'
  | 'recv MRA'
  | 'recv REJ'
  | 'recv stale REJ'
  | 'recv REP'
  | 'recv RTU'
  | 'recv DREQ'
  | 'recv DREP'
  | 'recv SIDR_REP'
  /** No answer, however often it was sent; or the end of TIMEWAIT. */
  | 'expire';

export type CmAction =
  /** The user's own doing: it knows. */
  | 'none'
  /** Tell the user. */
  | 'deliver'
  /** A duplicate: the peer did not get our answer. */
  | 'resend'
  /** A DREQ that was answered already. */
  | 'send DREP'
  /** A request from a communication that is over. */
  | 'reject stale';

export interface Transition {
  readonly to: CmState;
  readonly action: CmAction;
}

type Row = readonly [from: CmState | readonly CmState[], input: CmInput | readonly CmInput[], to: CmState, CmAction];

const REQ_WAIT = ['REQ_SENT', 'MRA_REQ_RCVD'] as const;
const REP_WAIT = ['REP_SENT', 'MRA_REP_RCVD'] as const;
const REQ_IN = ['REQ_RCVD', 'MRA_REQ_SENT'] as const;
const REP_IN = ['REP_RCVD', 'MRA_REP_SENT'] as const;
const REJECTED = ['recv REJ', 'recv stale REJ'] as const;

const ROWS: readonly Row[] = [
  // Active side (figure 144)
  ['IDLE', 'send REQ', 'REQ_SENT', 'none'],
  ['REQ_SENT', 'recv MRA', 'MRA_REQ_RCVD', 'deliver'],
  ['MRA_REQ_RCVD', 'recv MRA', 'MRA_REQ_RCVD', 'deliver'],
  [REQ_WAIT, 'recv REP', 'REP_RCVD', 'deliver'],
  [REQ_WAIT, 'recv REJ', 'IDLE', 'deliver'],
  [REQ_WAIT, 'recv stale REJ', 'TIMEWAIT', 'deliver'],
  [REQ_WAIT, 'expire', 'IDLE', 'deliver'],
  [REQ_WAIT, 'send REJ', 'IDLE', 'none'],
  ['REP_RCVD', 'send MRA', 'MRA_REP_SENT', 'none'],
  ['MRA_REP_SENT', 'recv REP', 'MRA_REP_SENT', 'resend'],
  [REP_IN, 'send RTU', 'ESTABLISHED', 'none'],
  [REP_IN, 'send REJ', 'IDLE', 'none'],
  [REP_IN, REJECTED, 'TIMEWAIT', 'deliver'],
  // The RTU was lost.
  ['ESTABLISHED', 'recv REP', 'ESTABLISHED', 'resend'],

  // Passive side (figure 145)
  ['IDLE', 'recv REQ', 'REQ_RCVD', 'deliver'],
  ['REQ_RCVD', 'send MRA', 'MRA_REQ_SENT', 'none'],
  ['MRA_REQ_SENT', 'recv REQ', 'MRA_REQ_SENT', 'resend'],
  [REQ_IN, 'send REP', 'REP_SENT', 'none'],
  [REQ_IN, 'send REJ', 'IDLE', 'none'],
  [REQ_IN, REJECTED, 'IDLE', 'deliver'],
  // The REP was lost.
  ['REP_SENT', 'recv REQ', 'REP_SENT', 'resend'],
  ['REP_SENT', 'recv MRA', 'MRA_REP_RCVD', 'deliver'],
  ['MRA_REP_RCVD', 'recv MRA', 'MRA_REP_RCVD', 'deliver'],
  [REP_WAIT, 'recv RTU', 'ESTABLISHED', 'deliver'],
  [REP_WAIT, 'establish', 'ESTABLISHED', 'deliver'],
  [REP_WAIT, 'recv REJ', 'IDLE', 'deliver'],
  [REP_WAIT, 'recv stale REJ', 'TIMEWAIT', 'deliver'],
  [REP_WAIT, 'send REJ', 'TIMEWAIT', 'none'],
  [REP_WAIT, 'recv DREQ', 'DREQ_RCVD', 'deliver'],
  [REP_WAIT, 'expire', 'IDLE', 'deliver'],

  // Either
  ['ESTABLISHED', 'send DREQ', 'DREQ_SENT', 'none'],
  ['ESTABLISHED', 'recv DREQ', 'DREQ_RCVD', 'deliver'],
  ['ESTABLISHED', REJECTED, 'TIMEWAIT', 'deliver'],
  // Both at once: each answers the other.
  ['DREQ_SENT', 'recv DREQ', 'DREQ_RCVD', 'deliver'],
  ['DREQ_SENT', 'recv DREP', 'TIMEWAIT', 'deliver'],
  ['DREQ_SENT', REJECTED, 'TIMEWAIT', 'deliver'],
  ['DREQ_SENT', 'expire', 'TIMEWAIT', 'deliver'],
  ['DREQ_RCVD', 'send DREP', 'TIMEWAIT', 'none'],
  ['DREQ_RCVD', 'recv DREP', 'TIMEWAIT', 'deliver'],
  ['TIMEWAIT', 'recv DREQ', 'TIMEWAIT', 'send DREP'],
  ['TIMEWAIT', 'recv REQ', 'TIMEWAIT', 'reject stale'],
  ['TIMEWAIT', 'expire', 'IDLE', 'deliver'],

  // Service id resolution (12.11)
  ['IDLE', 'send SIDR_REQ', 'SIDR_REQ_SENT', 'none'],
  ['SIDR_REQ_SENT', 'recv SIDR_REP', 'IDLE', 'deliver'],
  ['SIDR_REQ_SENT', 'expire', 'IDLE', 'deliver'],
  ['SIDR_REQ_RCVD', 'send SIDR_REP', 'IDLE', 'none'],
];

const table = new Map<string, Transition>();
for (const [from, input, to, action] of ROWS) {
  for (const state of [from].flat()) for (const i of [input].flat()) table.set(`${state}/${i}`, { to, action });
}

/** The table, for those who want to see or test all of it: `state/input`. */
export const TRANSITIONS: ReadonlyMap<string, Transition> = table;

export function transition(state: CmState, input: CmInput): Transition | undefined {
  return table.get(`${state}/${input}`);
}
