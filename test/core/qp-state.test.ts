import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { QpAttrMask, QpState, QpType } from '../../src/core/constants.ts';
import { checkTransition } from '../../src/core/qp-state.ts';

// What Linux's table (drivers/infiniband/core/verbs.c, qp_state_table, v6.x) demands and allows, written out cell by cell:
// type, transition, attributes needed | attributes allowed besides.
const LINUX = `
RC RESET>INIT PKEY_INDEX PORT ACCESS_FLAGS |
RC INIT>INIT | PKEY_INDEX PORT ACCESS_FLAGS
RC INIT>RTR AV PATH_MTU DEST_QPN RQ_PSN MAX_DEST_RD_ATOMIC MIN_RNR_TIMER | ALT_PATH ACCESS_FLAGS PKEY_INDEX
RC RTR>RTS TIMEOUT RETRY_CNT RNR_RETRY SQ_PSN MAX_QP_RD_ATOMIC | CUR_STATE ALT_PATH ACCESS_FLAGS MIN_RNR_TIMER PATH_MIG_STATE
RC RTS>RTS | CUR_STATE ACCESS_FLAGS ALT_PATH PATH_MIG_STATE MIN_RNR_TIMER
RC RTS>SQD | EN_SQD_ASYNC_NOTIFY
RC SQD>RTS | CUR_STATE ALT_PATH ACCESS_FLAGS MIN_RNR_TIMER PATH_MIG_STATE
RC SQD>SQD | PORT AV TIMEOUT RETRY_CNT RNR_RETRY MAX_QP_RD_ATOMIC MAX_DEST_RD_ATOMIC ALT_PATH ACCESS_FLAGS PKEY_INDEX MIN_RNR_TIMER PATH_MIG_STATE
RC SQE>RTS |
UC RESET>INIT PKEY_INDEX PORT ACCESS_FLAGS |
UC INIT>INIT | PKEY_INDEX PORT ACCESS_FLAGS
UC INIT>RTR AV PATH_MTU DEST_QPN RQ_PSN | ALT_PATH ACCESS_FLAGS PKEY_INDEX
UC RTR>RTS SQ_PSN | CUR_STATE ALT_PATH ACCESS_FLAGS PATH_MIG_STATE
UC RTS>RTS | CUR_STATE ACCESS_FLAGS ALT_PATH PATH_MIG_STATE
UC RTS>SQD | EN_SQD_ASYNC_NOTIFY
UC SQD>RTS | CUR_STATE ALT_PATH ACCESS_FLAGS PATH_MIG_STATE
UC SQD>SQD | AV ALT_PATH ACCESS_FLAGS PKEY_INDEX PATH_MIG_STATE
UC SQE>RTS | CUR_STATE ACCESS_FLAGS
UD RESET>INIT PKEY_INDEX PORT QKEY |
UD INIT>INIT | PKEY_INDEX PORT QKEY
UD INIT>RTR | PKEY_INDEX QKEY
UD RTR>RTS SQ_PSN | CUR_STATE QKEY
UD RTS>RTS | CUR_STATE QKEY
UD RTS>SQD | EN_SQD_ASYNC_NOTIFY
UD SQD>RTS | CUR_STATE QKEY
UD SQD>SQD | PKEY_INDEX QKEY
UD SQE>RTS | CUR_STATE QKEY
SMI RESET>INIT PKEY_INDEX QKEY |
SMI INIT>INIT | PKEY_INDEX QKEY
SMI INIT>RTR | PKEY_INDEX QKEY
SMI RTR>RTS SQ_PSN | CUR_STATE QKEY
SMI RTS>RTS | CUR_STATE QKEY
SMI RTS>SQD | EN_SQD_ASYNC_NOTIFY
SMI SQD>RTS | CUR_STATE QKEY
SMI SQD>SQD | PKEY_INDEX QKEY
SMI SQE>RTS | CUR_STATE QKEY
RAW_PACKET RESET>INIT PORT |
RAW_PACKET INIT>INIT |
RAW_PACKET INIT>RTR |
RAW_PACKET RTR>RTS | RATE_LIMIT
RAW_PACKET RTS>RTS | RATE_LIMIT
RAW_PACKET RTS>SQD |
RAW_PACKET SQD>RTS |
RAW_PACKET SQD>SQD |
RAW_PACKET SQE>RTS |
`;

type Cell = { required: number; allowed: number } | undefined;
const bits = (names: string): number =>
  names.split(' ').reduce((mask, name) => mask | (name === '' ? 0 : QpAttrMask[name as keyof typeof QpAttrMask]), 0);

const cells = new Map<string, Cell>();
for (const line of LINUX.trim().split('\n')) {
  const [type, move, rest] = [line.split(' ')[0], line.split(' ')[1], line.split(' ').slice(2).join(' ')];
  const [required, optional] = rest.split('|').map((part) => bits(part.trim()));
  for (const t of type === 'SMI' ? ['SMI', 'GSI'] : [type])
    cells.set(`${t} ${move}`, { required, allowed: required | optional });
}

function expected(type: string, from: string, to: string): Cell {
  // To RESET and to ERR from anywhere, with nothing else: IBTA 10.3.1. (Linux leaves out RESET > ERR.)
  if (to === 'RESET' || to === 'ERR') return { required: 0, allowed: 0 };
  return cells.get(`${type} ${from}>${to}`);
}

const TYPES = ['RC', 'UC', 'UD', 'SMI', 'GSI', 'RAW_PACKET'] as const;
const STATES = Object.keys(QpState) as (keyof typeof QpState)[];
const BITS = Object.entries(QpAttrMask);

function verify(
  type: (typeof TYPES)[number],
  from: keyof typeof QpState,
  to: keyof typeof QpState,
  mask: number,
): void {
  const cell = expected(type, from, to);
  const ok =
    cell !== undefined && (mask & cell.required) === cell.required && (mask & ~(cell.allowed | QpAttrMask.STATE)) === 0;
  const said = checkTransition(QpType[type], QpState[from], QpState[to], mask);
  assert.equal(said === null, ok, `${type} ${from}>${to} mask 0x${mask.toString(16)}: ${said}`);
}

test('every transition of every type, with each attribute more and each attribute less than needed', () => {
  let checked = 0;
  for (const type of TYPES) {
    for (const from of STATES) {
      for (const to of STATES) {
        const cell = expected(type, from, to) ?? { required: 0, allowed: 0 };
        for (const base of [0, cell.required, cell.allowed]) {
          verify(type, from, to, base);
          verify(type, from, to, base | QpAttrMask.STATE);
          for (const [, bit] of BITS) {
            verify(type, from, to, base ^ bit);
            verify(type, from, to, (base ^ bit) | QpAttrMask.STATE);
            checked += 2;
          }
        }
      }
    }
  }
  assert.ok(checked > 30000);
});

test('any mask', () => {
  const names = fc.constantFrom(...STATES);
  fc.assert(
    fc.property(fc.constantFrom(...TYPES), names, names, fc.subarray(BITS), (type, from, to, chosen) => {
      verify(
        type,
        from,
        to,
        chosen.reduce((mask, [, bit]) => mask | bit, 0),
      );
    }),
    { seed: 4791, numRuns: 20000 },
  );
});

test('the sentence names the attributes', () => {
  const { RC } = QpType;
  assert.match(
    checkTransition(RC, QpState.RESET, QpState.INIT, QpAttrMask.STATE)!,
    /RESET to INIT needs ACCESS_FLAGS, PKEY_INDEX, PORT/,
  );
  const mask = bits('STATE PKEY_INDEX PORT ACCESS_FLAGS QKEY');
  assert.match(checkTransition(RC, QpState.RESET, QpState.INIT, mask)!, /does not allow QKEY/);
  assert.match(checkTransition(RC, QpState.RESET, QpState.RTS, 1)!, /RC from RESET to RTS is not a transition/);
  assert.match(checkTransition(RC, QpState.RTS, QpState.RTS, 1 << 30)!, /does not allow 0x40000000/);
  assert.match(checkTransition(9, QpState.RESET, QpState.INIT, 1)!, /9 from RESET/);
});
