// The opcode of a packet of a SEND or WRITE (RC's; UC's differ in the transport bits).
import { WrOpcode } from '../core/constants.ts';
import {
  OP_SEND_FIRST,
  OP_SEND_LAST,
  OP_SEND_LAST_WITH_IMM,
  OP_SEND_LAST_WITH_INV,
  OP_SEND_MIDDLE,
  OP_SEND_ONLY,
  OP_SEND_ONLY_WITH_IMM,
  OP_SEND_ONLY_WITH_INV,
  OP_WRITE_FIRST,
  OP_WRITE_LAST,
  OP_WRITE_LAST_WITH_IMM,
  OP_WRITE_MIDDLE,
  OP_WRITE_ONLY,
  OP_WRITE_ONLY_WITH_IMM,
} from '../wire/opcodes.ts';

/** `first`, `last`: whether the packet begins and ends its message. */
export function dataOpcode(op: number, first: boolean, last: boolean): number {
  if (op === WrOpcode.RDMA_WRITE || op === WrOpcode.RDMA_WRITE_WITH_IMM) {
    if (!last) return first ? OP_WRITE_FIRST : OP_WRITE_MIDDLE;
    if (op === WrOpcode.RDMA_WRITE) return first ? OP_WRITE_ONLY : OP_WRITE_LAST;
    return first ? OP_WRITE_ONLY_WITH_IMM : OP_WRITE_LAST_WITH_IMM;
  }
  if (!last) return first ? OP_SEND_FIRST : OP_SEND_MIDDLE;
  if (op === WrOpcode.SEND) return first ? OP_SEND_ONLY : OP_SEND_LAST;
  if (op === WrOpcode.SEND_WITH_IMM) return first ? OP_SEND_ONLY_WITH_IMM : OP_SEND_LAST_WITH_IMM;
  return first ? OP_SEND_ONLY_WITH_INV : OP_SEND_LAST_WITH_INV;
}
