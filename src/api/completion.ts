import { WcFlags, WcOpcode, type WcOpcodeName, WcStatus, type WcStatusName } from '../core/constants.ts';
import { WorkCompletion } from '../core/work.ts';
import { WcError } from './errors.ts';

const byNumber = <N extends string>(table: Readonly<Record<N, number>>): N[] => {
  const names: N[] = [];
  for (const name of Object.keys(table) as N[]) names[table[name]] = name;
  return names;
};
const STATUS = byNumber<WcStatusName>(WcStatus);
const OPCODE = byNumber<WcOpcodeName>(WcOpcode);

/** What became of a work request (`struct ibv_wc`). */
export class Completion {
  /** @internal The numbers; filled by the driver. */
  raw = new WorkCompletion();

  /** As given when the request was posted. */
  get wrId(): number {
    return this.raw.wrId;
  }

  get ok(): boolean {
    return this.raw.status === WcStatus.SUCCESS;
  }

  get status(): WcStatusName {
    return STATUS[this.raw.status];
  }

  /** Means something only if {@link ok}. */
  get opcode(): WcOpcodeName {
    return OPCODE[this.raw.opcode];
  }

  /** Bytes received (for UD with the 40 bytes of the GRH), read, or exchanged. */
  get byteLen(): number {
    return this.raw.byteLen;
  }

  /** The queue pair that completed it. */
  get qpn(): number {
    return this.raw.qpn;
  }

  /** Immediate data, or null when the message had none. */
  get imm(): number | null {
    return this.raw.flags & WcFlags.WITH_IMM ? this.raw.imm : null;
  }

  /** The rkey that the peer's SEND invalidated, or null. */
  get invalidatedRkey(): number | null {
    return this.raw.flags & WcFlags.WITH_INV ? this.raw.imm : null;
  }

  /** UD: the sender's QPN. */
  get srcQp(): number {
    return this.raw.srcQp;
  }

  /** UD, on InfiniBand-like devices: the sender's LID and the datagram's service level, as `createAh` takes them. */
  get slid(): number {
    return this.raw.slid;
  }

  get sl(): number {
    return this.raw.sl;
  }

  /** UD: the buffer starts with 40 bytes of global route header. */
  get hasGrh(): boolean {
    return (this.raw.flags & WcFlags.GRH) !== 0;
  }

  /** @throws {WcError} unless {@link ok}. Returns itself. */
  orThrow(): this {
    if (!this.ok) throw new WcError(this);
    return this;
  }
}
