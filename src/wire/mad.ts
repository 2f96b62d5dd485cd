// Management datagrams: the common header (IBTA vol. 1 section 13.4.2). On RoCEv2 they are UD packets to QP1 with the well-known Q_Key.
import { getU16, getU32, getU64Big, hex, putU16, putU32, putU64Big } from './bytes.ts';
import { checkRoom, type WireError } from './error.ts';

/** Every MAD has this length. */
export const MAD_LEN = 256;
export const MAD_HEADER_LEN = 24;
/** Q_Key of QP1 (IBTA 10.2.5). */
export const GSI_QKEY = 0x80010000;
export const GSI_QPN = 1;

/** Management classes (IBTA 13.4.4). */
export const MadClass = { SA: 0x03, PERFORMANCE: 0x04, CM: 0x07 } as const;
/** Methods (IBTA 13.4.5). */
export const MadMethod = { GET: 0x01, SET: 0x02, SEND: 0x03, GET_RESP: 0x81 } as const;

export interface MadHeader {
  baseVersion: number;
  mgmtClass: number;
  classVersion: number;
  method: number;
  status: number;
  classSpecific: number;
  tid: bigint;
  attrId: number;
  resv16: number;
  attrModifier: number;
}

export function parseMad(buf: Uint8Array, off: number, end: number = buf.length): MadHeader | WireError {
  return (
    checkRoom(off, end, MAD_HEADER_LEN, 'MAD') ?? {
      baseVersion: buf[off],
      mgmtClass: buf[off + 1],
      classVersion: buf[off + 2],
      method: buf[off + 3],
      status: getU16(buf, off + 4),
      classSpecific: getU16(buf, off + 6),
      tid: getU64Big(buf, off + 8),
      attrId: getU16(buf, off + 16),
      resv16: getU16(buf, off + 18),
      attrModifier: getU32(buf, off + 20),
    }
  );
}

export function emitMad(buf: Uint8Array, off: number, mad: MadHeader): void {
  buf[off] = mad.baseVersion;
  buf[off + 1] = mad.mgmtClass;
  buf[off + 2] = mad.classVersion;
  buf[off + 3] = mad.method;
  putU16(buf, off + 4, mad.status);
  putU16(buf, off + 6, mad.classSpecific);
  putU64Big(buf, off + 8, mad.tid);
  putU16(buf, off + 16, mad.attrId);
  putU16(buf, off + 18, mad.resv16);
  putU32(buf, off + 20, mad.attrModifier);
}

export function formatMad(mad: MadHeader): string {
  return `MAD class ${hex(mad.mgmtClass)} method ${hex(mad.method)} attribute ${hex(mad.attrId)} TID ${hex(mad.tid)}`;
}
