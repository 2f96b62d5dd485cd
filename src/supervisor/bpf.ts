// An assembler for the classic BPF that seccomp filters are written in (uapi/linux/bpf_common.h, filter.h).

const LD_W_ABS = 0x20;
const JEQ_K = 0x15;
const JGE_K = 0x35;
const JSET_K = 0x45;
const RET_K = 0x06;

/** Offsets in struct seccomp_data. Arguments are 64 bits; these are the lower halves, on little-endian machines. */
export const DATA_NR = 0;
export const DATA_ARCH = 4;
export const dataArg = (i: number): number => 16 + 8 * i;

/** Where a jump goes: a label, or null for the next instruction. */
type Target = string | null;

interface Instruction {
  readonly code: number;
  readonly yes: Target;
  readonly no: Target;
  readonly k: number;
}

const INSTRUCTION_BYTES = 8;

/** Builds a program; jumps go forwards, to labels. */
export class Assembler {
  private readonly instructions: Instruction[] = [];
  private readonly labels = new Map<string, number>();

  /** Names the next instruction. */
  label(name: string): this {
    this.labels.set(name, this.instructions.length);
    return this;
  }

  /** Loads the word at `offset` of struct seccomp_data. */
  load(offset: number): this {
    return this.add(LD_W_ABS, null, null, offset);
  }

  ifEqual(k: number, yes: Target, no: Target = null): this {
    return this.add(JEQ_K, yes, no, k);
  }

  /** Unsigned. */
  ifAtLeast(k: number, yes: Target, no: Target = null): this {
    return this.add(JGE_K, yes, no, k);
  }

  ifAnyBit(k: number, yes: Target, no: Target = null): this {
    return this.add(JSET_K, yes, no, k);
  }

  return(k: number): this {
    return this.add(RET_K, null, null, k);
  }

  /** An array of struct sock_filter. */
  assemble(): Buffer {
    const out = Buffer.alloc(this.instructions.length * INSTRUCTION_BYTES);
    this.instructions.forEach(({ code, yes, no, k }, at) => {
      const to = at * INSTRUCTION_BYTES;
      out.writeUInt16LE(code, to);
      out.writeUInt8(this.distance(at, yes), to + 2);
      out.writeUInt8(this.distance(at, no), to + 3);
      out.writeUInt32LE(k >>> 0, to + 4);
    });
    return out;
  }

  private add(code: number, yes: Target, no: Target, k: number): this {
    this.instructions.push({ code, yes, no, k });
    return this;
  }

  private distance(from: number, target: Target): number {
    if (target === null) return 0;
    const to = this.labels.get(target);
    if (to === undefined) throw new Error(`no label ${target}`);
    return to - from - 1;
  }
}
