// The values of queue pair attributes: which are allowed, and how they are set.
import { addressVectorFault, copyAv } from './av.ts';
import { integerFault } from './check.ts';
import { mtuBytes, QpAttrMask, QpState, QpType } from './constants.ts';
import type { Device } from './device.ts';
import type { ErrnoName } from './errors.ts';
import { isMulticastGid } from './gid-text.ts';
import { MigState, newQpAttr, type QpAttr, type QueuePair } from './qp.ts';

const M = QpAttrMask;
const PSN_MAX = 0xffffff;
/** The high bit of a Q_Key: privileged ones have it (IBTA 10.2.5). */
export const QKEY_PRIVILEGED = 0x80000000;

export interface AttrFault {
  readonly code: ErrnoName;
  /** A sentence that names the attribute and what is allowed. */
  readonly message: string;
}

type Row = readonly [bit: number, name: keyof QpAttr, min: number, max: number | ((device: Device) => number)];

const lastPkey = (device: Device): number => device.pkeys.length - 1;
const lastPort = (device: Device): number => device.attributes.physPortCnt;

// A table that stays: thousands of queue pairs are connected at once.
const INTEGERS: readonly Row[] = [
  [M.STATE, 'state', QpState.RESET, QpState.ERR],
  [M.CUR_STATE, 'curState', QpState.RESET, QpState.ERR],
  [M.ACCESS_FLAGS, 'accessFlags', 0, 0x3fffffff],
  [M.PKEY_INDEX, 'pkeyIndex', 0, lastPkey],
  [M.PORT, 'port', 1, lastPort],
  [M.QKEY, 'qkey', 0, 0xffffffff],
  [M.TIMEOUT, 'timeout', 0, 31],
  [M.RETRY_CNT, 'retryCnt', 0, 7],
  [M.RNR_RETRY, 'rnrRetry', 0, 7],
  [M.RQ_PSN, 'rqPsn', 0, PSN_MAX],
  [M.MAX_QP_RD_ATOMIC, 'maxRdAtomic', 0, (device) => device.attributes.maxQpInitRdAtom],
  [M.MIN_RNR_TIMER, 'minRnrTimer', 0, 31],
  [M.SQ_PSN, 'sqPsn', 0, PSN_MAX],
  [M.MAX_DEST_RD_ATOMIC, 'maxDestRdAtomic', 0, (device) => device.attributes.maxQpRdAtom],
  [M.DEST_QPN, 'destQpn', 0, 0xffffff],
  [M.ALT_PATH, 'altPkeyIndex', 0, lastPkey],
  [M.ALT_PATH, 'altPort', 1, lastPort],
  [M.ALT_PATH, 'altTimeout', 0, 31],
  [M.PATH_MIG_STATE, 'pathMigState', MigState.MIGRATED, MigState.ARMED],
];

/** Null when the values that `mask` names are allowed for this queue pair. Reads what it is given, changes nothing. */
export function checkAttr(qp: QueuePair, attr: Partial<QpAttr>, mask: number): AttrFault | null {
  if (mask & M.QKEY && attr.qkey !== undefined && attr.qkey & QKEY_PRIVILEGED && !qp.context.rights.netRaw) {
    return { code: 'EPERM', message: `qkey has its high bit set: ${qp.context.owner} lacks CAP_NET_RAW` };
  }
  const message = integersFault(qp, attr, mask) ?? pathFault(qp, attr, mask);
  return message === null ? null : { code: 'EINVAL', message };
}

function integersFault(qp: QueuePair, attr: Partial<QpAttr>, mask: number): string | null {
  const { device } = qp.context;
  for (let i = 0; i < INTEGERS.length; i++) {
    const row = INTEGERS[i];
    if ((mask & row[0]) === 0) continue;
    const max = row[3];
    const most = typeof max === 'number' ? max : max(device);
    const fault = integerFault(row[1], attr[row[1]] as number | undefined, row[2], most);
    if (fault !== null) return fault;
  }
  if (mask & M.PKEY_INDEX && device.pkeys.entries[attr.pkeyIndex!] === 0) {
    return `pkeyIndex is ${attr.pkeyIndex}, where the P_Key table of ${device.name} has no key`;
  }
  return null;
}

function pathFault(qp: QueuePair, attr: Partial<QpAttr>, mask: number): string | null {
  const { device } = qp.context;
  if (mask & M.PATH_MTU) {
    const { activeMtu } = device.ops.queryPort(1);
    const fault = integerFault('pathMtu', attr.pathMtu, 1, activeMtu);
    if (fault !== null) return `${fault} (the port's active MTU is ${mtuBytes(activeMtu)} bytes)`;
  }
  if (mask & M.AV) {
    if (attr.av === undefined || attr.av === null) return 'av is not given';
    const fault = addressVectorFault(device, attr.av);
    if (fault !== null) return fault;
    if (qp.type !== QpType.UD && isMulticastGid(attr.av.dgid))
      return 'av.dgid is a multicast group: only UD sends to one';
  }
  // Taken and kept whether or not the device migrates by itself (Linux modify_qp of uverbs, rxe_qp_from_attr).
  if (mask & M.ALT_PATH) {
    if (attr.altAv === undefined || attr.altAv === null) return 'altAv is not given';
    const fault = addressVectorFault(device, attr.altAv);
    if (fault !== null) return `alternate path: ${fault}`;
    if (attr.altAv.port !== attr.altPort) return `altPort is ${attr.altPort}, and altAv.port ${attr.altAv.port}`;
  }
  return null;
}

/**
 * What `mask` names is copied to `qp.attr`; on RESET all attributes are as at creation. For drivers.
 *
 * Numbers that may have been drawn at random are stored as small integers: V8 keeps them as fractions until told, and the first
 * fraction in a field would make all queue pairs change their layout.
 */
export function applyAttr(qp: QueuePair, attr: Partial<QpAttr>, mask: number): void {
  const to = qp.attr;
  if (mask & M.STATE && attr.state === QpState.RESET) {
    Object.assign(to, newQpAttr());
    return;
  }
  if (mask & M.EN_SQD_ASYNC_NOTIFY) to.enSqdAsyncNotify = attr.enSqdAsyncNotify === true;
  if (mask & M.ACCESS_FLAGS) to.accessFlags = attr.accessFlags!;
  if (mask & M.PKEY_INDEX) to.pkeyIndex = attr.pkeyIndex!;
  if (mask & M.PORT) to.port = attr.port!;
  if (mask & M.QKEY) to.qkey = attr.qkey!;
  if (mask & M.AV) to.av = attr.av!;
  if (mask & M.PATH_MTU) to.pathMtu = attr.pathMtu!;
  if (mask & M.TIMEOUT) to.timeout = attr.timeout!;
  if (mask & M.RETRY_CNT) to.retryCnt = attr.retryCnt!;
  if (mask & M.RNR_RETRY) to.rnrRetry = attr.rnrRetry!;
  if (mask & M.RQ_PSN) to.rqPsn = attr.rqPsn! | 0;
  if (mask & M.MAX_QP_RD_ATOMIC) to.maxRdAtomic = attr.maxRdAtomic!;
  if (mask & M.MIN_RNR_TIMER) to.minRnrTimer = attr.minRnrTimer!;
  if (mask & M.SQ_PSN) to.sqPsn = attr.sqPsn! | 0;
  if (mask & M.MAX_DEST_RD_ATOMIC) to.maxDestRdAtomic = attr.maxDestRdAtomic!;
  if (mask & M.DEST_QPN) to.destQpn = attr.destQpn! | 0;
  if (mask & M.ALT_PATH) {
    to.altAv = copyAv(attr.altAv!);
    to.altPkeyIndex = attr.altPkeyIndex!;
    to.altPort = attr.altPort!;
    to.altTimeout = attr.altTimeout!;
  }
  if (mask & M.PATH_MIG_STATE) to.pathMigState = attr.pathMigState!;
  if (mask & M.STATE) {
    to.state = attr.state!;
    to.curState = attr.state!;
  }
}
