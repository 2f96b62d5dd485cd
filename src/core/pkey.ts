// Partition keys. RoCE has one partition, the default one; the table and the rule are those of InfiniBand all the same.

/** The default partition, as a full member (IBTA 10.9.1.2). */
export const DEFAULT_PKEY = 0xffff;
/** The high bit tells a full member from a limited one. */
export const PKEY_FULL_MEMBER = 0x8000;

/**
 * May a packet with P_Key `a` reach a port (or QP) that has P_Key `b`? The low 15 bits must be equal and not 0 (an invalid
 * key matches nothing), and of two limited members neither may talk to the other: IBTA 10.9.1.1, 10.9.3.
 */
export function pkeysMatch(a: number, b: number): boolean {
  const base = a & 0x7fff;
  return base !== 0 && base === (b & 0x7fff) && ((a | b) & PKEY_FULL_MEMBER) !== 0;
}

/** A port's table of P_Keys. */
export class PkeyTable {
  /** Entries by index; 0 where there is none. */
  readonly entries: Uint16Array;
  /** Called after an entry was changed. */
  onChange: (() => void) | null = null;

  constructor(length = 1) {
    this.entries = new Uint16Array(length);
    this.entries[0] = DEFAULT_PKEY;
  }

  get length(): number {
    return this.entries.length;
  }

  set(index: number, pkey: number): void {
    if (!(index in this.entries)) throw new RangeError(`P_Key index ${index}: 0 to ${this.length - 1} are allowed`);
    if (this.entries[index] === pkey) return;
    this.entries[index] = pkey;
    this.onChange?.();
  }

  /** The index of the first entry that `pkey` matches, or -1. */
  indexOf(pkey: number): number {
    for (let i = 0; i < this.entries.length; i++) if (pkeysMatch(this.entries[i], pkey)) return i;
    return -1;
  }
}
