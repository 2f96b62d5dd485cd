// How methods and commands are declared.
import type { Attributes } from './attributes.ts';
import { UHW_IN, UHW_OUT } from './ids.ts';
import type { WriteCall } from './write-call.ts';

/** Where an attribute's value is, and which way it goes. */
export const FROM = { IN: 0, OUT: 1, REFERENCE: 2 } as const;

export interface AttrSpec {
  readonly id: number;
  /** One of {@link FROM} */
  readonly from: number;
  readonly min: number;
  readonly max: number;
  /** It may be longer than `max` if what is beyond is zero (inputs), or will be zeroed (outputs). */
  readonly zeroTrailing: boolean;
  readonly mandatory: boolean;
}

const MOST = 0xffff;

function spec(id: number, from: number, min: number, max: number, zeroTrailing = false): AttrSpec {
  return { id, from, min, max, zeroTrailing, mandatory: true };
}

/** `UVERBS_ATTR_TYPE(u32)`, `UVERBS_ATTR_TYPE(u64)` */
export const u32In = (id: number): AttrSpec => spec(id, FROM.IN, 4, 4);
export const u64In = (id: number): AttrSpec => spec(id, FROM.IN, 8, 8);
export const u32Out = (id: number): AttrSpec => spec(id, FROM.OUT, 4, 4);
export const u64Out = (id: number): AttrSpec => spec(id, FROM.OUT, 8, 8);
/** `UVERBS_ATTR_CONST_IN`: a number in 8 bytes. */
export const constIn = u64In;
/** `UVERBS_ATTR_FLAGS_IN` */
export const flagsIn = (id: number): AttrSpec => optional(spec(id, FROM.IN, 4, 8));
/** `UVERBS_ATTR_STRUCT`: at least `min` bytes of a structure of `size`. */
export const structIn = (id: number, min: number, size: number): AttrSpec => spec(id, FROM.IN, min, size, true);
export const structOut = (id: number, min: number, size: number): AttrSpec => spec(id, FROM.OUT, min, size, true);
/** `UVERBS_ATTR_MIN_SIZE` */
export const bytesIn = (id: number, min: number): AttrSpec => spec(id, FROM.IN, min, MOST);
export const bytesOut = (id: number, min: number): AttrSpec => spec(id, FROM.OUT, min, MOST);
/** `UVERBS_ATTR_IDR`, `UVERBS_ATTR_FD`: a handle or descriptor in the attribute itself, given or to be written. */
export const reference = (id: number): AttrSpec => spec(id, FROM.REFERENCE, 0, 0);

export const optional = (attr: AttrSpec): AttrSpec => ({ ...attr, mandatory: false });

/** `UVERBS_ATTR_UHW` */
export const UHW: readonly AttrSpec[] = [optional(bytesIn(UHW_IN, 0)), optional(bytesOut(UHW_OUT, 0))];

/** A method of RDMA_VERBS_IOCTL. */
export interface Method {
  readonly object: number;
  readonly id: number;
  readonly attrs: readonly AttrSpec[];
  readonly run: (attrs: Attributes) => void;
}

/** A command of the older interface, which a program invokes through the method INVOKE_WRITE. */
export interface Command {
  /** With EXTENDED for extended ones. */
  readonly id: number;
  /** Bytes of the request that there must be, and that are understood (more must be zero). */
  readonly min: number;
  readonly size: number;
  /** Bytes of the answer that there must be room for. */
  readonly answer: number;
  readonly run: (call: WriteCall) => void;
}

export function command(id: number, size: number, answer: number, run: (call: WriteCall) => void): Command {
  return { id: id >>> 0, min: size, size, answer, run };
}

/** An extended command: of `size` bytes of its request only `min` must be there. */
export function exCommand(
  id: number,
  min: number,
  size: number,
  answer: number,
  run: (call: WriteCall) => void,
): Command {
  return { id: id >>> 0, min, size, answer, run };
}
