// Base Transport Header, IBTA vol. 1 section 9.2: the first 12 bytes of every RoCEv2 datagram.
import { getU16, getU24, hex, putU16, putU24 } from './bytes.ts';
import { checkRoom, type WireError } from './error.ts';
import { opcodeName } from './opcodes.ts';

export const BTH_LEN = 12;

const OPCODE = 0;
const FLAGS = 1;
const PKEY = 2;
const RESV8A = 4;
const QPN = 5;
const ACK = 8;
const PSN = 9;

/** Solicited Event. */
export const BTH_SE = 0x80;
/** MigReq: the path migration state is "migrated". rxe sends 0, most NICs 1; both are to be accepted. */
export const BTH_MIG = 0x40;
export const BTH_PAD_SHIFT = 4;
export const BTH_PAD_MASK = 0x30;
export const BTH_TVER_MASK = 0x0f;

/** Offset within the BTH of the byte (FECN, BECN, reserved) that the ICRC masks: switches may change it. */
export const BTH_RESV8A_OFF = RESV8A;
export const BTH_FECN = 0x80;
export const BTH_BECN = 0x40;

/** PSNs and QPNs have 24 bits. */
export const PSN_MASK = 0xffffff;
export const QPN_MASK = 0xffffff;
export const DEFAULT_PKEY = 0xffff;

export function bthOpcode(buf: Uint8Array, off: number): number {
  return buf[off + OPCODE];
}

/** The byte with BTH_SE, BTH_MIG, the pad count and the transport version. */
export function bthFlags(buf: Uint8Array, off: number): number {
  return buf[off + FLAGS];
}

/** Bytes (0..3) appended to the payload to make it a multiple of four. */
export function bthPad(buf: Uint8Array, off: number): number {
  return (buf[off + FLAGS] & BTH_PAD_MASK) >> BTH_PAD_SHIFT;
}

export function bthTver(buf: Uint8Array, off: number): number {
  return buf[off + FLAGS] & BTH_TVER_MASK;
}

export function bthPkey(buf: Uint8Array, off: number): number {
  return getU16(buf, off + PKEY);
}

export function bthFecn(buf: Uint8Array, off: number): boolean {
  return (buf[off + RESV8A] & BTH_FECN) !== 0;
}

export function bthBecn(buf: Uint8Array, off: number): boolean {
  return (buf[off + RESV8A] & BTH_BECN) !== 0;
}

/** Destination queue pair number. */
export function bthQpn(buf: Uint8Array, off: number): number {
  return getU24(buf, off + QPN);
}

export function bthAckReq(buf: Uint8Array, off: number): boolean {
  return (buf[off + ACK] & 0x80) !== 0;
}

export function bthPsn(buf: Uint8Array, off: number): number {
  return getU24(buf, off + PSN);
}

/** Writes a whole BTH. `flags`: BTH_SE | BTH_MIG | pad << BTH_PAD_SHIFT; FECN, BECN and the reserved bits become 0. */
export function writeBth(
  buf: Uint8Array,
  off: number,
  opcode: number,
  flags: number,
  pkey: number,
  qpn: number,
  ackReq: boolean,
  psn: number,
): void {
  buf[off + OPCODE] = opcode;
  buf[off + FLAGS] = flags;
  putU16(buf, off + PKEY, pkey);
  buf[off + RESV8A] = 0;
  putU24(buf, off + QPN, qpn);
  buf[off + ACK] = ackReq ? 0x80 : 0;
  putU24(buf, off + PSN, psn);
}

/** Rewrites the PSN only, for a retransmission from a kept header. */
export function setBthPsn(buf: Uint8Array, off: number, psn: number): void {
  putU24(buf, off + PSN, psn);
}

export function setBthAckReq(buf: Uint8Array, off: number, ackReq: boolean): void {
  buf[off + ACK] = ackReq ? 0x80 : 0;
}

/** A BTH as an object, for tools and tests. */
export interface Bth {
  opcode: number;
  se: boolean;
  mig: boolean;
  pad: number;
  tver: number;
  pkey: number;
  fecn: boolean;
  becn: boolean;
  /** Six reserved bits beside FECN and BECN. */
  resv6: number;
  qpn: number;
  ackReq: boolean;
  /** Seven reserved bits beside AckReq. */
  resv7: number;
  psn: number;
}

export function parseBth(buf: Uint8Array, off: number, end: number = buf.length): Bth | WireError {
  return (
    checkRoom(off, end, BTH_LEN, 'BTH') ?? {
      opcode: bthOpcode(buf, off),
      se: (bthFlags(buf, off) & BTH_SE) !== 0,
      mig: (bthFlags(buf, off) & BTH_MIG) !== 0,
      pad: bthPad(buf, off),
      tver: bthTver(buf, off),
      pkey: bthPkey(buf, off),
      fecn: bthFecn(buf, off),
      becn: bthBecn(buf, off),
      resv6: buf[off + RESV8A] & 0x3f,
      qpn: bthQpn(buf, off),
      ackReq: bthAckReq(buf, off),
      resv7: buf[off + ACK] & 0x7f,
      psn: bthPsn(buf, off),
    }
  );
}

/** Writes all fields of `bth`, the reserved ones too. */
export function emitBth(buf: Uint8Array, off: number, bth: Bth): void {
  const flags = (bth.se ? BTH_SE : 0) | (bth.mig ? BTH_MIG : 0) | (bth.pad << BTH_PAD_SHIFT) | bth.tver;
  writeBth(buf, off, bth.opcode, flags, bth.pkey, bth.qpn, bth.ackReq, bth.psn);
  buf[off + RESV8A] = (bth.fecn ? BTH_FECN : 0) | (bth.becn ? BTH_BECN : 0) | bth.resv6;
  buf[off + ACK] |= bth.resv7;
}

export function formatBth(bth: Bth): string {
  const bits = [
    bth.se ? ' SE' : '',
    bth.ackReq ? ' AckReq' : '',
    bth.fecn ? ' FECN' : '',
    bth.becn ? ' BECN' : '',
    bth.pkey === DEFAULT_PKEY ? '' : ` PKey ${hex(bth.pkey, 4)}`,
    bth.tver === 0 ? '' : ` TVer ${bth.tver}`,
  ];
  return `${opcodeName(bth.opcode)} QPN ${hex(bth.qpn)} PSN ${bth.psn}${bits.join('')}`;
}
