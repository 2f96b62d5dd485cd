// Plain data of a side, and what the core calls the same.
import type { AddressVector } from '../core/ah.ts';
import { nameOf, QpAttrMask, QpState, WcOpcode, WcStatus } from '../core/constants.ts';
import type { QpAttr } from '../core/qp.ts';
import type { WorkCompletion } from '../core/work.ts';
import type * as S from './side.ts';

const MASK: Readonly<Record<keyof S.Attr, number>> = {
  state: QpAttrMask.STATE,
  pkeyIndex: QpAttrMask.PKEY_INDEX,
  port: QpAttrMask.PORT,
  qkey: QpAttrMask.QKEY,
  accessFlags: QpAttrMask.ACCESS_FLAGS,
  av: QpAttrMask.AV,
  pathMtu: QpAttrMask.PATH_MTU,
  destQpn: QpAttrMask.DEST_QPN,
  rqPsn: QpAttrMask.RQ_PSN,
  sqPsn: QpAttrMask.SQ_PSN,
  maxDestRdAtomic: QpAttrMask.MAX_DEST_RD_ATOMIC,
  minRnrTimer: QpAttrMask.MIN_RNR_TIMER,
  timeout: QpAttrMask.TIMEOUT,
  retryCnt: QpAttrMask.RETRY_CNT,
  rnrRetry: QpAttrMask.RNR_RETRY,
  maxRdAtomic: QpAttrMask.MAX_QP_RD_ATOMIC,
  enSqdAsyncNotify: QpAttrMask.EN_SQD_ASYNC_NOTIFY,
};

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

/** The attributes, and the mask that their names make. */
export function coreAttr(given: S.Attr): { attr: Partial<QpAttr>; mask: number } {
  let mask = 0;
  for (const key of Object.keys(given) as (keyof S.Attr)[]) if (given[key] !== undefined) mask |= MASK[key];
  const { state, av, ...rest } = given;
  const attr: Partial<QpAttr> = { ...rest };
  if (state !== undefined) attr.state = QpState[state as keyof typeof QpState];
  if (av !== undefined) attr.av = vector(av);
  return { attr, mask };
}

export function plainAttr({ state, av, ...rest }: QpAttr): S.Attr {
  const keys = Object.keys(MASK) as (keyof S.Attr)[];
  const known = Object.fromEntries(
    keys.filter((key) => key in rest).map((key) => [key, rest[key as keyof typeof rest]]),
  );
  return { ...known, state: nameOf(QpState, state), ...(av === null ? {} : { av: plainAv(av) }) };
}

export function vector(av: S.Av): AddressVector {
  const { dgid, dlid, sl = 0, hopLimit = 64, trafficClass = 0 } = av;
  return { dgid: unhex(dgid), sgidIndex: 0, trafficClass, hopLimit, flowLabel: 0, port: 1, sl, dlid };
}

export function plainAv({ dgid, dlid, sl, hopLimit, trafficClass }: AddressVector): S.Av {
  return { dgid: hex(dgid), dlid, sl, hopLimit, trafficClass };
}

export function plain({ wrId, status, opcode, byteLen, imm, qpn, srcQp, flags }: WorkCompletion): S.Wc {
  return {
    ...{ wrId, byteLen, imm, qpn, srcQp, flags },
    status: nameOf(WcStatus, status),
    opcode: nameOf(WcOpcode, opcode),
  };
}
