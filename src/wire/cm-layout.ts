// The messages of the communication manager are tables of fields at bit positions (IBTA vol. 1 section 12.6): so are their
// codecs. Offsets count from the end of the MAD header. Reserved bits are sent as 0 and not looked at.
import { getU64Big, putU64Big } from './bytes.ts';

/** Bits of a message body of {@link CM_BODY_LEN} bytes. */
export const CM_BODY_LEN = 232;

type Kind = 'number' | 'u64' | 'bytes';

export interface Field {
  readonly kind: Kind;
  readonly byte: number;
  /** Bits before it in that byte, the highest first. */
  readonly bit: number;
  /** Bits; bytes of a field of kind `bytes`. */
  readonly width: number;
}

/** One field for each member of `T`. */
export type Layout<T> = { readonly [K in keyof T]: Field };

export const bits = (byte: number, bit: number, width: number): Field => ({ kind: 'number', byte, bit, width });
export const u8 = (byte: number): Field => bits(byte, 0, 8);
export const u16 = (byte: number): Field => bits(byte, 0, 16);
export const u24 = (byte: number): Field => bits(byte, 0, 24);
export const u32 = (byte: number): Field => bits(byte, 0, 32);
export const u64 = (byte: number): Field => ({ kind: 'u64', byte, bit: 0, width: 64 });
export const bytes = (byte: number, width: number): Field => ({ kind: 'bytes', byte, bit: 0, width });

/** A layout as a list, and a message of it to begin with: made once, because a message has up to 45 fields. */
interface Plan {
  readonly names: readonly string[];
  readonly fields: readonly Field[];
  readonly blank: Readonly<Record<string, unknown>>;
}

const plans = new WeakMap<object, Plan>();

function planOf<T>(layout: Layout<T>): Plan {
  let plan = plans.get(layout);
  if (plan === undefined) {
    const names = Object.keys(layout);
    const fields = names.map((name) => layout[name as keyof T]);
    plan = { names, fields, blank: Object.fromEntries(names.map((name) => [name, 0])) };
    plans.set(layout, plan);
  }
  return plan;
}

/** The fields of a message at `off`, which has {@link CM_BODY_LEN} bytes there. Byte fields are copies. */
export function readLayout<T>(layout: Layout<T>, buf: Uint8Array, off: number): T {
  const { names, fields, blank } = planOf(layout);
  const out = { ...blank };
  for (let i = 0; i < names.length; i++) {
    const { kind, byte, bit, width } = fields[i];
    const at = off + byte;
    if (kind === 'number') out[names[i]] = readBits(buf, at, bit, width);
    else if (kind === 'u64') out[names[i]] = getU64Big(buf, at);
    else out[names[i]] = Uint8Array.from(buf.subarray(at, at + width));
  }
  return out as T;
}

/** Writes the fields and zeros between them. Bytes shorter than their field are filled up with zeros, longer ones are cut. */
export function writeLayout<T>(layout: Layout<T>, buf: Uint8Array, off: number, message: T): void {
  buf.fill(0, off, off + CM_BODY_LEN);
  const { names, fields } = planOf(layout);
  for (let i = 0; i < names.length; i++) {
    const { kind, byte, bit, width } = fields[i];
    const at = off + byte;
    const value = message[names[i] as keyof T];
    if (kind === 'number') writeBits(buf, at, bit, width, value as number);
    else if (kind === 'u64') putU64Big(buf, at, value as bigint);
    else buf.set((value as Uint8Array).subarray(0, width), at);
  }
}

/** How many bytes the field `name` has room for. */
export function widthOf<T>(layout: Layout<T>, name: keyof T): number {
  return layout[name].width;
}

// A field has at most 32 bits and spans at most 5 bytes; doubles hold what 32-bit shifts would lose.
function readBits(buf: Uint8Array, at: number, bit: number, width: number): number {
  const span = (bit + width + 7) >> 3;
  let whole = 0;
  for (let i = 0; i < span; i++) whole = whole * 256 + buf[at + i];
  const below = span * 8 - bit - width;
  if (bit === 0 && below === 0) return whole;
  if (span <= 4) return (whole >>> below) & ((1 << width) - 1);
  return Math.floor(whole / 2 ** below) % 2 ** width;
}

function writeBits(buf: Uint8Array, at: number, bit: number, width: number, value: number): void {
  // Most are zero, and so is where they go.
  if (value === 0) return;
  const span = (bit + width + 7) >> 3;
  let left = (value % 2 ** width) * 2 ** (span * 8 - bit - width);
  for (let i = span - 1; i >= 0; i--) {
    buf[at + i] |= left % 256;
    left = Math.floor(left / 256);
  }
}
