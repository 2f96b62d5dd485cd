// A send queue element when the requester first meets it: is it something this QP may do, how long is it, which PSNs has it?
import { QpType, SendFlags, WcOpcode, WcStatus, WrOpcode } from '../core/constants.ts';
import { consumes } from './credits.ts';
import { psnAdd } from './psn.ts';
import { Slot, SlotState, type SoftQp } from './qp.ts';
import { SEND_WQE_SIZE, SQ } from './wqe.ts';

/** IBTA 9.3.3 (RETH DMA length): the longest message has 2^31 bytes. */
export const MAX_MESSAGE = 0x80000000;

/** Half the PSN space. */
const MAX_PACKETS = 0x800000;

// Which operations each transport has (IBTA table 35).
const UC_OPS =
  (1 << WrOpcode.SEND) |
  (1 << WrOpcode.SEND_WITH_IMM) |
  (1 << WrOpcode.RDMA_WRITE) |
  (1 << WrOpcode.RDMA_WRITE_WITH_IMM);
const LOCAL_OPS = (1 << WrOpcode.LOCAL_INV) | (1 << WrOpcode.BIND_MW);
const UD_OPS = (1 << WrOpcode.SEND) | (1 << WrOpcode.SEND_WITH_IMM);
const RC_OPS =
  UC_OPS |
  LOCAL_OPS |
  (1 << WrOpcode.RDMA_READ) |
  (1 << WrOpcode.ATOMIC_CMP_AND_SWP) |
  (1 << WrOpcode.ATOMIC_FETCH_AND_ADD) |
  (1 << WrOpcode.SEND_WITH_INV) |
  (1 << WrOpcode.FLUSH) |
  (1 << WrOpcode.ATOMIC_WRITE);

const allowedOps = (type: number): number =>
  type === QpType.RC ? RC_OPS : type === QpType.UC ? UC_OPS | LOCAL_OPS : UD_OPS;

/** `WcOpcode` of each `WrOpcode`. */
const WC_OPCODE: readonly (number | undefined)[] = [
  WcOpcode.RDMA_WRITE,
  WcOpcode.RDMA_WRITE,
  WcOpcode.SEND,
  WcOpcode.SEND,
  WcOpcode.RDMA_READ,
  WcOpcode.COMP_SWAP,
  WcOpcode.FETCH_ADD,
  WcOpcode.LOCAL_INV,
  WcOpcode.BIND_MW,
  WcOpcode.SEND,
  undefined,
  undefined,
  undefined,
  undefined,
  WcOpcode.FLUSH,
  WcOpcode.ATOMIC_WRITE,
];
export const wcOpcode = (wrOpcode: number): number => WC_OPCODE[wrOpcode] ?? WcOpcode.SEND;

/** READs, atomics and the like: they end with an answer of their own, and maxRdAtomic limits how many are outstanding. */
export const hasAnswer = (op: number): boolean =>
  isRead(op) || isAtomic(op) || op === WrOpcode.FLUSH || op === WrOpcode.ATOMIC_WRITE;

export const isRead = (op: number): boolean => op === WrOpcode.RDMA_READ;
export const isAtomic = (op: number): boolean =>
  op === WrOpcode.ATOMIC_CMP_AND_SWP || op === WrOpcode.ATOMIC_FETCH_AND_ADD;
export const isLocal = (op: number): boolean => op === WrOpcode.LOCAL_INV || op === WrOpcode.BIND_MW;

export const slotBase = (index: number): number => index * Slot.WORDS;
export const slotState = (qp: SoftQp, index: number): number => qp.slots[slotBase(index)] & 0xff;
export const slotOp = (qp: SoftQp, index: number): number => (qp.slots[slotBase(index)] >>> 8) & 0xff;
export const slotFlags = (qp: SoftQp, index: number): number => (qp.slots[slotBase(index)] >>> 16) & 0xff;
export const slotStatus = (qp: SoftQp, index: number): number => qp.slots[slotBase(index)] >>> 24;

export function setSlot(qp: SoftQp, index: number, state: number, op: number, flags: number, status: number): void {
  qp.slots[slotBase(index)] = (state | (op << 8) | ((flags & 0xff) << 16) | (status << 24)) >>> 0;
}

export function failSlot(qp: SoftQp, index: number, status: number): void {
  setSlot(qp, index, SlotState.FAILED, slotOp(qp, index), slotFlags(qp, index), status);
}

/** Takes the fresh element at `index` in: checks it, copies what must not change, gives it PSNs. A `WcStatus`. */
export function openSlot(qp: SoftQp, index: number): number {
  const u32 = qp.sq.u32;
  const w = qp.sq.word(index);
  const op = u32[w + SQ.OPCODE];
  const flags = u32[w + SQ.FLAGS];
  const s = slotBase(index);
  qp.needSlots();
  const slots = qp.slots;
  let status: number = WcStatus.SUCCESS;
  let length = u32[w + SQ.LENGTH];
  if (op > 31 || (allowedOps(qp.type) & (1 << op)) === 0) {
    status = WcStatus.LOC_QP_OP_ERR;
    length = 0;
  } else if (isLocal(op)) {
    length = 0;
  } else if (isAtomic(op)) {
    // The operand is 64 bits; the SGE takes the original value.
    if (length < 8) status = WcStatus.LOC_LEN_ERR;
    length = 8;
  } else if (op === WrOpcode.FLUSH) {
    // It has the length of a range, and carries nothing.
  } else if (op === WrOpcode.ATOMIC_WRITE) {
    if (length !== 8) status = WcStatus.LOC_LEN_ERR;
  } else if (flags & SendFlags.INLINE) {
    const room = qp.sq.stride - SEND_WQE_SIZE;
    if (isRead(op)) status = WcStatus.LOC_QP_OP_ERR;
    else if (length > room || length > qp.cap.maxInlineData) status = WcStatus.LOC_LEN_ERR;
  }
  if (length > MAX_MESSAGE) status = WcStatus.LOC_LEN_ERR;
  if (hasAnswer(op) && qp.attr.maxRdAtomic === 0) status = WcStatus.LOC_QP_OP_ERR;
  const single = isLocal(op) ? 0 : 1;
  const whole = op === WrOpcode.FLUSH || qp.type === QpType.UD || qp.type === QpType.GSI;
  const packets = whole ? single : Math.max(single, Math.ceil(length / qp.mtu));
  // What is before and what is after a PSN must stay clear while the message is outstanding (IBTA 9.7.2).
  if (packets >= MAX_PACKETS) status = WcStatus.LOC_LEN_ERR;
  const good = isLocal(op) ? SlotState.OPEN : SlotState.STARTED;
  setSlot(qp, index, status === WcStatus.SUCCESS ? good : SlotState.FAILED, op, flags, status);
  slots[s + Slot.LENGTH] = length;
  slots[s + Slot.FIRST] = qp.sqPsn;
  slots[s + Slot.LAST] = psnAdd(qp.sqPsn, packets - 1);
  if (status !== WcStatus.SUCCESS) return status;
  qp.sqPsn = psnAdd(qp.sqPsn, packets);
  if (consumes(op)) qp.sendsOut++;
  return status;
}
