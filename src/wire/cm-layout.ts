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

/** The fields of a message at `off`, which has {@link CM_BODY_LEN} bytes there. Byte fields are copies. */
export function readLayout<T>(layout: Layout<T>, buf: Uint8Array, off: number): T {
  const out: Record<string, unknown> = {};
  for (const name of Object.keys(layout)) {
    const field = layout[name as keyof T];
    const at = off + field.byte;
    if (field.kind === 'bytes') out[name] = Uint8Array.from(buf.subarray(at, at + field.width));
    else if (field.kind === 'u64') out[name] = getU64Big(buf, at);
    else out[name] = readBits(buf, at, field.bit, field.width);
  }
  return out as T;
}

/** Writes the fields and zeros between them. Bytes shorter than their field are filled up with zeros, longer ones are cut. */
export function writeLayout<T>(layout: Layout<T>, buf: Uint8Array, off: number, message: T): void {
  buf.fill(0, off, off + CM_BODY_LEN);
  for (const name of Object.keys(layout) as (keyof T & string)[]) {
    const field = layout[name];
    const at = off + field.byte;
    const value = message[name];
    if (field.kind === 'bytes') buf.set((value as Uint8Array).subarray(0, field.width), at);
    else if (field.kind === 'u64') putU64Big(buf, at, value as bigint);
    else writeBits(buf, at, field.bit, field.width, value as number);
  }
}

/** How many bytes the field `name` has room for. */
export function widthOf<T>(layout: Layout<T>, name: keyof T): number {
  return layout[name].width;
}

// Doubles hold what 32-bit shifts would lose: a field has at most 32 bits and spans at most 5 bytes.
function readBits(buf: Uint8Array, at: number, bit: number, width: number): number {
  const span = Math.ceil((bit + width) / 8);
  let whole = 0;
  for (let i = 0; i < span; i++) whole = whole * 256 + buf[at + i];
  return Math.floor(whole / 2 ** (span * 8 - bit - width)) % 2 ** width;
}

function writeBits(buf: Uint8Array, at: number, bit: number, width: number, value: number): void {
  const span = Math.ceil((bit + width) / 8);
  let left = (value % 2 ** width) * 2 ** (span * 8 - bit - width);
  for (let i = span - 1; i >= 0; i--) {
    buf[at + i] |= left % 256;
    left = Math.floor(left / 256);
  }
}
