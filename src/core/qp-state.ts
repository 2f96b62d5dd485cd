// Which transitions a queue pair may make, and which attributes each needs and allows: IBTA vol. 1, 11.2.5.2 (the tables
// of Modify QP attributes) and 10.3.1 (the state diagram), as Linux's ib_modify_qp_is_ok applies them.
import { nameOf, QpAttrMask, QpState, type QpStateName, QpType, type QpTypeName } from './constants.ts';

const M = QpAttrMask;

interface Rule {
  readonly required: number;
  readonly optional: number;
}
type State = QpStateName;
type Type = QpTypeName;
type Cell = readonly [from: State, to: State, types: readonly Type[], required: number, optional: number];

const ALL: readonly Type[] = ['RC', 'UC', 'UD', 'SMI', 'GSI', 'RAW_PACKET'];
const CONNECTED: readonly Type[] = ['RC', 'UC'];
const DATAGRAM: readonly Type[] = ['UD', 'SMI', 'GSI'];
const SPECIAL: readonly Type[] = ['SMI', 'GSI'];

// What belongs together. Alternate paths and path migration are for connected services.
const INIT_CONNECTED = M.PKEY_INDEX | M.PORT | M.ACCESS_FLAGS;
const INIT_UD = M.PKEY_INDEX | M.PORT | M.QKEY;
// The port of a management QP is fixed when it is created.
const INIT_SPECIAL = M.PKEY_INDEX | M.QKEY;
const ROUTE = M.AV | M.PATH_MTU | M.DEST_QPN | M.RQ_PSN;
const RESPONDER_RC = M.MAX_DEST_RD_ATOMIC | M.MIN_RNR_TIMER;
const REQUESTER_RC = M.TIMEOUT | M.RETRY_CNT | M.RNR_RETRY | M.MAX_QP_RD_ATOMIC;
const RUNNING_UC = M.CUR_STATE | M.ALT_PATH | M.ACCESS_FLAGS | M.PATH_MIG_STATE;
const RUNNING_RC = RUNNING_UC | M.MIN_RNR_TIMER;
const RUNNING_UD = M.CUR_STATE | M.QKEY;
const DRAINED_UC = M.AV | M.ALT_PATH | M.ACCESS_FLAGS | M.PKEY_INDEX | M.PATH_MIG_STATE;
const DRAINED_RC = DRAINED_UC | M.PORT | REQUESTER_RC | RESPONDER_RC;

// RC's attributes come last where it shares a line with UC, because later cells override earlier ones.
const CELLS: readonly Cell[] = [
  ['RESET', 'INIT', CONNECTED, INIT_CONNECTED, 0],
  ['RESET', 'INIT', ['UD'], INIT_UD, 0],
  ['RESET', 'INIT', SPECIAL, INIT_SPECIAL, 0],
  ['RESET', 'INIT', ['RAW_PACKET'], M.PORT, 0],

  ['INIT', 'INIT', CONNECTED, 0, INIT_CONNECTED],
  ['INIT', 'INIT', ['UD'], 0, INIT_UD],
  ['INIT', 'INIT', SPECIAL, 0, INIT_SPECIAL],
  ['INIT', 'INIT', ['RAW_PACKET'], 0, 0],

  ['INIT', 'RTR', ['UC'], ROUTE, M.ALT_PATH | M.ACCESS_FLAGS | M.PKEY_INDEX],
  ['INIT', 'RTR', ['RC'], ROUTE | RESPONDER_RC, M.ALT_PATH | M.ACCESS_FLAGS | M.PKEY_INDEX],
  ['INIT', 'RTR', DATAGRAM, 0, M.PKEY_INDEX | M.QKEY],
  ['INIT', 'RTR', ['RAW_PACKET'], 0, 0],

  ['RTR', 'RTS', ['UC'], M.SQ_PSN, RUNNING_UC],
  ['RTR', 'RTS', ['RC'], M.SQ_PSN | REQUESTER_RC, RUNNING_RC],
  ['RTR', 'RTS', DATAGRAM, M.SQ_PSN, RUNNING_UD],
  ['RTR', 'RTS', ['RAW_PACKET'], 0, M.RATE_LIMIT],

  ['RTS', 'RTS', ['UC'], 0, RUNNING_UC],
  ['RTS', 'RTS', ['RC'], 0, RUNNING_RC],
  ['RTS', 'RTS', DATAGRAM, 0, RUNNING_UD],
  ['RTS', 'RTS', ['RAW_PACKET'], 0, M.RATE_LIMIT],

  ['RTS', 'SQD', [...CONNECTED, ...DATAGRAM], 0, M.EN_SQD_ASYNC_NOTIFY],
  ['RTS', 'SQD', ['RAW_PACKET'], 0, 0],

  ['SQD', 'RTS', ['UC'], 0, RUNNING_UC],
  ['SQD', 'RTS', ['RC'], 0, RUNNING_RC],
  ['SQD', 'RTS', DATAGRAM, 0, RUNNING_UD],
  ['SQD', 'RTS', ['RAW_PACKET'], 0, 0],

  ['SQD', 'SQD', ['UC'], 0, DRAINED_UC],
  ['SQD', 'SQD', ['RC'], 0, DRAINED_RC],
  ['SQD', 'SQD', DATAGRAM, 0, M.PKEY_INDEX | M.QKEY],
  ['SQD', 'SQD', ['RAW_PACKET'], 0, 0],

  // An RC queue pair does not enter SQE by itself (10.3.1.6), and so has no attributes for leaving it.
  ['SQE', 'RTS', ['UC'], 0, M.CUR_STATE | M.ACCESS_FLAGS],
  ['SQE', 'RTS', DATAGRAM, 0, RUNNING_UD],
  ['SQE', 'RTS', ['RC', 'RAW_PACKET'], 0, 0],
];

const STATES = Object.keys(QpState) as State[];
const TYPE_SPAN = 16;
const rules = new Map<number, Rule>();
const keyOf = (type: number, from: number, to: number): number => (from * 8 + to) * TYPE_SPAN + type;

for (const [from, to, types, required, optional] of CELLS) {
  for (const type of types) rules.set(keyOf(QpType[type], QpState[from], QpState[to]), { required, optional });
}
// From any state to RESET and to ERR, with no attributes. (Linux's table leaves RESET -> ERR out; IBTA 10.3.1 has it.)
for (const type of ALL) {
  for (const from of STATES) {
    for (const to of ['RESET', 'ERR'] as const) {
      rules.set(keyOf(QpType[type], QpState[from], QpState[to]), { required: 0, optional: 0 });
    }
  }
}

/** The names of the attributes in a mask. */
export function attrNames(mask: number): string {
  const names = Object.entries(QpAttrMask).filter(([, bit]) => (mask & bit) !== 0);
  const known = names.reduce((bits, [, bit]) => bits | bit, 0);
  const rest = mask & ~known;
  return [...names.map(([name]) => name), ...(rest === 0 ? [] : [`0x${(rest >>> 0).toString(16)}`])].join(', ');
}

/** Null when a queue pair may go from one state to the other with the attributes in `mask`; else what is wrong. */
export function checkTransition(type: number, from: number, to: number, mask: number): string | null {
  const rule = rules.get(keyOf(type, from, to));
  const missing = rule === undefined ? 0 : rule.required & ~mask;
  const forbidden = rule === undefined ? 0 : mask & ~(rule.required | rule.optional | M.STATE);
  if (rule !== undefined && missing === 0 && forbidden === 0) return null;
  const what = `${nameOf(QpType, type)} from ${nameOf(QpState, from)} to ${nameOf(QpState, to)}`;
  if (rule === undefined) return `${what} is not a transition`;
  return missing !== 0 ? `${what} needs ${attrNames(missing)}` : `${what} does not allow ${attrNames(forbidden)}`;
}
