// Our own packets that stand in for priority flow control: "I have sent you so much" and, given back by who has taken it
// in, "so much has come". The IBTA leaves the opcodes from 0xc0 on to manufacturers, so an identification goes with them.
import { BTH_LEN, BTH_MIG, writeBth } from './bth.ts';
import { getU32, hex, putU32 } from './bytes.ts';
import { checkRoom, type WireError } from './error.ts';

/** Bytes after the BTH: identification, token, count, grant. */
export const PROBE_LEN = 16;
/** BTH included, without the ICRC. */
export const PROBE_PACKET_LEN: number = BTH_LEN + PROBE_LEN;
/**
 * No queue pair has it on RoCE: who does not know the packet drops it before looking at its opcode. Linux rxe (hdr_check)
 * refuses queue pair 0 before it looks one up; of any other, older versions (check_type_state looks at single bits of the
 * opcode) would take the packet for one of RC or UD.
 */
export const PROBE_QPN = 0;
/** "INFV" */
export const PROBE_ID = 0x494e4656;

const ID = 0;
const TOKEN = 4;
const COUNT = 8;
const GRANT = 12;

/** Is what follows the BTH at `off` ours, not another manufacturer's? */
export const isProbe = (buf: Uint8Array, off: number): boolean => getU32(buf, off + BTH_LEN + ID) === PROBE_ID;
export const probeToken = (buf: Uint8Array, off: number): number => getU32(buf, off + BTH_LEN + TOKEN);
export const probeCount = (buf: Uint8Array, off: number): number => getU32(buf, off + BTH_LEN + COUNT);
export const probeGrant = (buf: Uint8Array, off: number): number => getU32(buf, off + BTH_LEN + GRANT);

/** Writes a whole packet, BTH and what follows. */
export function writeProbe(
  buf: Uint8Array,
  off: number,
  opcode: number,
  pkey: number,
  token: number,
  count: number,
  grant: number,
): void {
  writeBth(buf, off, opcode, BTH_MIG, pkey, PROBE_QPN, false, 0);
  const at = off + BTH_LEN;
  putU32(buf, at + ID, PROBE_ID);
  putU32(buf, at + TOKEN, token);
  putU32(buf, at + COUNT, count);
  putU32(buf, at + GRANT, grant);
}

export interface Probe {
  id: number;
  /** The sender's, by which it knows the answer. */
  token: number;
  /** Bytes sent, each packet with what it costs beyond them, modulo 2^32. */
  count: number;
  /** In an answer: what the sender may have on its way. */
  grant: number;
}

export function parseProbe(buf: Uint8Array, off: number, end: number = buf.length): Probe | WireError {
  return (
    checkRoom(off, end, PROBE_LEN, 'probe') ?? {
      id: getU32(buf, off + ID),
      token: getU32(buf, off + TOKEN),
      count: getU32(buf, off + COUNT),
      grant: getU32(buf, off + GRANT),
    }
  );
}

export function emitProbe(buf: Uint8Array, off: number, probe: Probe): void {
  putU32(buf, off + ID, probe.id);
  putU32(buf, off + TOKEN, probe.token);
  putU32(buf, off + COUNT, probe.count);
  putU32(buf, off + GRANT, probe.grant);
}

export function formatProbe({ id, token, count, grant }: Probe): string {
  if (id !== PROBE_ID) return `of another manufacturer (${hex(id)})`;
  return `token ${hex(token)} count ${count}${grant > 0 ? ` grant ${grant}` : ''}`;
}
