// MADs of the communication manager: class 0x07, one message per attribute id (IBTA vol. 1 section 12.6).

import { hex } from './bytes.ts';
import { type CmRep, type CmReq, type CmRtu, REP_LAYOUT, REQ_LAYOUT, RTU_LAYOUT } from './cm-connect.ts';
import { type CmDrep, type CmDreq, DREP_LAYOUT, DREQ_LAYOUT } from './cm-disconnect.ts';
import { type Layout, readLayout, writeLayout } from './cm-layout.ts';
import { APR_LAYOUT, type CmApr, type CmLap, LAP_LAYOUT } from './cm-path.ts';
import { type CmMra, type CmRej, MRA_LAYOUT, REJ_LAYOUT, RejReason } from './cm-refuse.ts';
import { type CmSidrRep, type CmSidrReq, SIDR_REP_LAYOUT, SIDR_REQ_LAYOUT } from './cm-sidr.ts';
import { checkRoom, WireError } from './error.ts';
import { emitMad, MAD_HEADER_LEN, MAD_LEN, MadClass, MadMethod, parseMad } from './mad.ts';

export const CM_CLASS_VERSION = 2;

/** Attribute ids. */
export const CmAttr = {
  REQ: 0x10,
  MRA: 0x11,
  REJ: 0x12,
  REP: 0x13,
  RTU: 0x14,
  DREQ: 0x15,
  DREP: 0x16,
  SIDR_REQ: 0x17,
  SIDR_REP: 0x18,
  LAP: 0x19,
  APR: 0x1a,
} as const;
export type CmType = keyof typeof CmAttr;

interface Bodies {
  REQ: CmReq;
  MRA: CmMra;
  REJ: CmRej;
  REP: CmRep;
  RTU: CmRtu;
  DREQ: CmDreq;
  DREP: CmDrep;
  SIDR_REQ: CmSidrReq;
  SIDR_REP: CmSidrRep;
  LAP: CmLap;
  APR: CmApr;
}

/** The body of a message of type `T`. */
export type CmBody<T extends CmType = CmType> = Bodies[T];

/** A whole message: its type tells what `body` is. */
export type CmMessage = { [T in CmType]: { readonly type: T; readonly tid: bigint; readonly body: Bodies[T] } }[CmType];

const LAYOUTS: { readonly [T in CmType]: Layout<Bodies[T]> } = {
  REQ: REQ_LAYOUT,
  MRA: MRA_LAYOUT,
  REJ: REJ_LAYOUT,
  REP: REP_LAYOUT,
  RTU: RTU_LAYOUT,
  DREQ: DREQ_LAYOUT,
  DREP: DREP_LAYOUT,
  SIDR_REQ: SIDR_REQ_LAYOUT,
  SIDR_REP: SIDR_REP_LAYOUT,
  LAP: LAP_LAYOUT,
  APR: APR_LAYOUT,
};

const TYPES: (CmType | undefined)[] = [];
for (const type of Object.keys(CmAttr) as CmType[]) TYPES[CmAttr[type]] = type;

/** The name of an attribute id of the class; undefined for one that it has not. */
export const cmTypeOf = (attrId: number): CmType | undefined => TYPES[attrId];

/** Reads the MAD at `off`. Never throws. */
export function parseCm(buf: Uint8Array, off = 0, end: number = buf.length): CmMessage | WireError {
  const short = checkRoom(off, end, MAD_LEN, 'CM MAD');
  if (short) return short;
  const mad = parseMad(buf, off, end);
  if (mad instanceof WireError) return mad;
  if (mad.mgmtClass !== MadClass.CM) return new WireError('unsupported', off + 1, `MAD class ${hex(mad.mgmtClass)}`);
  if (mad.baseVersion !== 1 || mad.classVersion !== CM_CLASS_VERSION) {
    return new WireError('unsupported', off, `MAD version ${mad.baseVersion}, class version ${mad.classVersion}`);
  }
  if (mad.method !== MadMethod.SEND) return new WireError('bad-value', off + 3, `CM method ${hex(mad.method)}`);
  const type = TYPES[mad.attrId];
  if (type === undefined) return new WireError('bad-value', off + 16, `CM attribute ${hex(mad.attrId)}`);
  const body = readLayout(LAYOUTS[type] as Layout<unknown>, buf, off + MAD_HEADER_LEN);
  return { type, tid: mad.tid, body } as CmMessage;
}

/** Writes the whole MAD of {@link MAD_LEN} bytes. */
export function emitCm(buf: Uint8Array, off: number, message: CmMessage): void {
  emitMad(buf, off, {
    baseVersion: 1,
    mgmtClass: MadClass.CM,
    classVersion: CM_CLASS_VERSION,
    method: MadMethod.SEND,
    status: 0,
    classSpecific: 0,
    tid: message.tid,
    attrId: CmAttr[message.type],
    resv16: 0,
    attrModifier: 0,
  });
  writeLayout(LAYOUTS[message.type] as Layout<unknown>, buf, off + MAD_HEADER_LEN, message.body);
}

export function encodeCm(message: CmMessage): Buffer {
  const buf = Buffer.from(new ArrayBuffer(MAD_LEN));
  emitCm(buf, 0, message);
  return buf;
}

/** One line: "CM REQ comm 0xac7615f2 QPN 0x2f service 0x1061c06". */
export function formatCm({ type, body }: CmMessage): string {
  const b = body as unknown as Partial<Record<string, number | bigint>>;
  const parts = [`CM ${type}`];
  const say = (what: string, value: number | bigint | undefined): void => {
    if (value !== undefined) parts.push(`${what} ${hex(value)}`);
  };
  say('comm', b.localCommId);
  say('to', b.remoteCommId);
  say('request', b.requestId);
  say('QPN', b.localQpn ?? b.qpn ?? b.remoteQpn);
  say('service', b.serviceId);
  if (type === 'REJ') parts.push(`reason ${b.reason} ${rejReasonName(Number(b.reason))}`);
  if (type === 'SIDR_REP' || type === 'APR') parts.push(`status ${b.status}`);
  return parts.join(' ');
}

export function rejReasonName(reason: number): string {
  for (const [name, value] of Object.entries(RejReason)) if (value === reason) return name;
  return 'unknown reason';
}
