// RoCEv2 Congestion Notification Packet, IBTA vol. 1 annex A17: BTH with BECN and 16 reserved bytes, no payload.
import { BTH_BECN, BTH_LEN, BTH_RESV8A_OFF, writeBth } from './bth.ts';
import { checkRoom, type WireError } from './error.ts';
import { CNP } from './opcodes.ts';

export const CNP_RESERVED_LEN = 16;
/** BTH and reserved bytes, without the ICRC. */
export const CNP_LEN: number = BTH_LEN + CNP_RESERVED_LEN;

/** Writes a CNP for the queue pair `qpn` of the sender that is to slow down. */
export function writeCnp(buf: Uint8Array, off: number, flags: number, pkey: number, qpn: number): void {
  writeBth(buf, off, CNP, flags, pkey, qpn, false, 0);
  buf[off + BTH_RESV8A_OFF] = BTH_BECN;
  buf.fill(0, off + BTH_LEN, off + CNP_LEN);
}

/** The reserved bytes: zeros, but whoever receives them must not look. */
export interface Cnp {
  reserved: Uint8Array;
}

/** Parses the part after the BTH; `reserved` is a view of `buf`. */
export function parseCnp(buf: Uint8Array, off: number, end: number = buf.length): Cnp | WireError {
  return (
    checkRoom(off, end, CNP_RESERVED_LEN, 'CNP reserved bytes') ?? {
      reserved: buf.subarray(off, off + CNP_RESERVED_LEN),
    }
  );
}

export function emitCnp(buf: Uint8Array, off: number, cnp: Cnp): void {
  buf.set(cnp.reserved.subarray(0, CNP_RESERVED_LEN), off);
}
