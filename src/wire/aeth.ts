// ACK Extended Transport Header, IBTA vol. 1 section 9.3.
import { getU24, putU24 } from './bytes.ts';
import { checkRoom, type WireError } from './error.ts';

export const AETH_LEN = 4;

const SYNDROME = 0;
const MSN = 1;

/** Bits 6:5 of the syndrome say what it is; bits 4:0 are the credit count, the RNR timer or the NAK code. */
export const AETH_TYPE_MASK = 0x60;
export const AETH_VALUE_MASK = 0x1f;
export const AETH_ACK = 0x00;
export const AETH_RNR_NAK = 0x20;
export const AETH_NAK = 0x60;

export const NAK_PSN_SEQ = 0x60;
export const NAK_INV_REQ = 0x61;
export const NAK_REM_ACC = 0x62;
export const NAK_REM_OP = 0x63;
export const NAK_INV_RD_REQ = 0x64;

/** ACK whose credit field is not to be looked at; what rxe sends. */
export const AETH_ACK_UNLIMITED = 0x1f;

/** Microseconds to wait for each 5-bit RNR NAK timer code; code 0 is the longest. */
export const rnrTimerUs: Float64Array = Float64Array.of(
  ...[655360, 10, 20, 30, 40, 60, 80, 120, 160, 240, 320, 480, 640, 960, 1280, 1920],
  ...[2560, 3840, 5120, 7680, 10240, 15360, 20480, 30720, 40960, 61440, 81920, 122880, 163840, 245760, 327680, 491520],
);

/** Receive credits for each 5-bit code; code 31 means "no limit" and is held as -1. */
export const aethCredits: Int32Array = Int32Array.of(
  ...[0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192],
  ...[256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768, -1],
);

/** The largest code that promises no more than `credits`; a negative number gives "no limit". */
export function encodeAethCredits(credits: number): number {
  if (credits < 0) return AETH_ACK_UNLIMITED;
  let code = 30;
  while (aethCredits[code] > credits) code--;
  return code;
}

/** The shortest timer code that waits at least `us` microseconds; code 0 (655.36 ms) when none is long enough. */
export function encodeRnrTimer(us: number): number {
  for (let code = 1; code < 32; code++) if (rnrTimerUs[code] >= us) return code;
  return 0;
}

export function aethSyndrome(buf: Uint8Array, off: number): number {
  return buf[off + SYNDROME];
}

/** Message sequence number. */
export function aethMsn(buf: Uint8Array, off: number): number {
  return getU24(buf, off + MSN);
}

/** AETH_ACK, AETH_RNR_NAK, AETH_NAK or the reserved 0x40. */
export function aethType(syndrome: number): number {
  return syndrome & AETH_TYPE_MASK;
}

export function writeAeth(buf: Uint8Array, off: number, syndrome: number, msn: number): void {
  buf[off + SYNDROME] = syndrome;
  putU24(buf, off + MSN, msn);
}

export interface Aeth {
  syndrome: number;
  msn: number;
}

export function parseAeth(buf: Uint8Array, off: number, end: number = buf.length): Aeth | WireError {
  return checkRoom(off, end, AETH_LEN, 'AETH') ?? { syndrome: aethSyndrome(buf, off), msn: aethMsn(buf, off) };
}

export function emitAeth(buf: Uint8Array, off: number, aeth: Aeth): void {
  writeAeth(buf, off, aeth.syndrome, aeth.msn);
}

const NAK_NAMES = [
  'PSN Sequence Error',
  'Invalid Request',
  'Remote Access Error',
  'Remote Operational Error',
  'Invalid RD Request',
];

export function syndromeName(syndrome: number): string {
  const value = syndrome & AETH_VALUE_MASK;
  switch (aethType(syndrome)) {
    case AETH_ACK:
      return value === AETH_ACK_UNLIMITED ? 'ACK' : `ACK ${aethCredits[value]} credits`;
    case AETH_RNR_NAK:
      return `RNR NAK ${rnrTimerUs[value] / 1000} ms`;
    case AETH_NAK:
      return `NAK ${NAK_NAMES[value] ?? `reserved code ${value}`}`;
    default:
      return `reserved syndrome ${syndrome}`;
  }
}

export function formatAeth(aeth: Aeth): string {
  return `${syndromeName(aeth.syndrome)} MSN ${aeth.msn}`;
}
