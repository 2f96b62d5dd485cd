// What any request packet is checked for before it is looked into.
import { BTH_SE, bthFlags } from '../wire/bth.ts';
import { OPF_ATOMIC_WRITE, OPF_END, OPF_SEND, OPF_START, OPF_WRITE } from '../wire/opcodes.ts';
import { InMessage, type SoftQp } from './qp.ts';

/** Does the packet fit where the message stands (IBTA table 54, valid sequences of opcodes)? */
export function sequenceOk(qp: SoftQp, flags: number): boolean {
  if (flags & OPF_START) return qp.inMessage === InMessage.NONE;
  if (flags & OPF_SEND) return qp.inMessage === InMessage.SEND;
  return flags & OPF_WRITE ? qp.inMessage === InMessage.WRITE : true;
}

/** First and middle packets are full, a last one is not empty (C9-92, IBTA 9.7.4.1.6). `jumbo`: as if they were several. */
export function lengthOk(qp: SoftQp, flags: number, length: number, jumbo: boolean): boolean {
  if ((flags & (OPF_SEND | OPF_WRITE)) === 0) return length === (flags & OPF_ATOMIC_WRITE ? 8 : 0);
  if ((flags & OPF_END) === 0) return length === qp.mtu || (jumbo && length > 0 && length % qp.mtu === 0);
  return (length <= qp.mtu || jumbo) && (length > 0 || (flags & OPF_START) !== 0);
}

/** Is a READ response with `length` bytes, of a message of which `left` are awaited, as long as it has to be (C9-92)? */
export function responseOk(qp: SoftQp, length: number, left: number, jumbo: boolean): boolean {
  const whole = Math.min(qp.mtu, left);
  if (!jumbo || length <= whole) return length === whole;
  return length <= left && (length === left || length % qp.mtu === 0);
}

/** As how many packets the next of `left` bytes of payload are to be sent: one, or a jumbo, which has the PSNs of as many. */
export function packetsNow(qp: SoftQp, left: number): number {
  // Most messages are short, and the way need not be asked.
  if (left <= qp.mtu) return 1;
  const { jumbo } = qp.path!;
  return jumbo ? Math.min(jumbo / qp.mtu, Math.ceil(left / qp.mtu)) : 1;
}

/** How many PSNs a SEND, WRITE or READ response packet with `length` bytes of payload takes: more than one where it is a jumbo. */
export const packetsOf = (qp: SoftQp, length: number): number => (length <= qp.mtu ? 1 : Math.ceil(length / qp.mtu));

export const isSolicited = (buf: Buffer, off: number): boolean => (bthFlags(buf, off) & BTH_SE) !== 0;
