// Runs a seccomp filter as the kernel does (seccomp_check_filter: the instructions it allows), to see what it decides.

/** A system call as struct seccomp_data shows it. */
export interface Call {
  readonly arch: number;
  readonly nr: number;
  /** Up to six arguments; negative ones as the C library passes an int. */
  readonly args: readonly (number | bigint)[];
}

function seccompData({ arch, nr, args }: Call): Buffer {
  const data = Buffer.alloc(64);
  data.writeInt32LE(nr, 0);
  data.writeUInt32LE(arch, 4);
  args.forEach((arg, i) => {
    data.writeBigUInt64LE(BigInt.asUintN(64, BigInt(arg)), 16 + 8 * i);
  });
  return data;
}

/** What the filter returns, and after how many instructions. */
export function runFilter(program: Buffer, call: Call): { readonly value: number; readonly steps: number } {
  const data = seccompData(call);
  let accumulator = 0;
  let pc = 0;
  for (let steps = 1; steps <= 4096; steps++) {
    const at = pc * 8;
    const code = program.readUInt16LE(at);
    const k = program.readUInt32LE(at + 4);
    const jump = (yes: boolean): void => {
      pc += 1 + program.readUInt8(at + (yes ? 2 : 3));
    };
    if (code === 0x06) return { value: k, steps };
    if (code === 0x20) {
      // BPF_LD | BPF_W | BPF_ABS: aligned and inside, or the kernel refuses the filter.
      if (k % 4 !== 0 || k >= 64) throw new Error(`load at ${k}`);
      accumulator = data.readUInt32LE(k);
      pc++;
    } else if (code === 0x15) jump(accumulator === k);
    else if (code === 0x35) jump(accumulator >= k);
    else if (code === 0x45) jump((accumulator & k) !== 0);
    else throw new Error(`instruction ${pc} has the code ${code}`);
  }
  throw new Error('the filter does not end');
}
