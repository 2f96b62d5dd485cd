// The attributes of extension methods: what a driver declares, what TypeScript makes of it, and how values are checked.
import { fail } from './check.ts';
import type { Context } from './context.ts';
import type { ExtensionObject } from './extension-object.ts';
import type { ObjectOf } from './handles.ts';
import { type ObjectKind, VerbsObject } from './object.ts';

/** Ids of objects, methods and attributes from here on are a driver's (bit 12 of a uverbs id). */
export const DRIVER_NAMESPACE = 0x1000;

/** A type of object in a driver's namespace. Made by {@link objectType}. */
export interface ExtensionObjectType<S = unknown> {
  readonly name: string;
  /** Within the driver's namespace. */
  readonly id: number;
  /** Called when an object goes: destroyed by a method, or with its context. May throw a VerbsError (EBUSY). */
  destroy(object: ExtensionObject<S>): void;
}

export function objectType<S>(
  name: string,
  id: number,
  destroy: (object: ExtensionObject<S>) => void,
): ExtensionObjectType<S> {
  return { name, id, destroy };
}

/** `new`: an object that the method makes, and its caller gets. */
export type Direction = 'in' | 'out' | 'new';

/** T is what the value is to the driver's method, D which way it goes, O whether it may be left out. */
export interface Attr<T = unknown, D extends Direction = Direction, O extends boolean = boolean> {
  /** Within the driver's namespace. */
  readonly id: number;
  readonly direction: D;
  readonly optional: O;
  readonly codec: Codec<T>;
}

/** How the values of an attribute are checked, and read from and written to bytes where they have some. */
export type Codec<T> =
  | { readonly form: 'number'; readonly bytes: 1 | 2 | 4 | 8; readonly value?: T }
  | { readonly form: 'bigint'; readonly bytes: 8; readonly value?: T }
  | { readonly form: 'bytes'; readonly min: number; readonly max: number; readonly value?: T }
  | { readonly form: 'fd'; readonly value?: T }
  | { readonly form: 'object'; readonly access: 'read' | 'write'; readonly kind: ObjectKind; readonly value?: T }
  | {
      readonly form: 'own';
      readonly access: 'read' | 'write' | 'destroy';
      readonly type: ExtensionObjectType;
      readonly value?: T;
    };

type Value<T, D extends Direction> = Attr<T, D, false>;
const make = <T, D extends Direction>(id: number, direction: D, codec: Codec<T>): Value<T, D> => ({
  id,
  direction,
  optional: false,
  codec,
});

export const u8 = <D extends 'in' | 'out'>(id: number, direction: D) =>
  make<number, D>(id, direction, { form: 'number', bytes: 1 });
export const u16 = <D extends 'in' | 'out'>(id: number, direction: D) =>
  make<number, D>(id, direction, { form: 'number', bytes: 2 });
export const u32 = <D extends 'in' | 'out'>(id: number, direction: D) =>
  make<number, D>(id, direction, { form: 'number', bytes: 4 });
/** 64 bits as a number: values above 2^53-1 are refused. */
export const u64 = <D extends 'in' | 'out'>(id: number, direction: D) =>
  make<number, D>(id, direction, { form: 'number', bytes: 8 });
export const big64 = <D extends 'in' | 'out'>(id: number, direction: D) =>
  make<bigint, D>(id, direction, { form: 'bigint', bytes: 8 });
/** `min` to `max` bytes; exactly `min` when `max` is not given. */
export const bytes = <D extends 'in' | 'out'>(id: number, direction: D, min: number, max = min) =>
  make<Uint8Array, D>(id, direction, { form: 'bytes', min, max });
/** A file descriptor of the caller. */
export const fd = (id: number) => make<number, 'in'>(id, 'in', { form: 'fd' });
/** An object of the core's. Its making and destroying are the core's verbs'. */
export const object = <K extends ObjectKind>(id: number, kind: K, access: 'read' | 'write' = 'read') =>
  make<ObjectOf[K], 'in'>(id, 'in', { form: 'object', kind, access });
/** An object of the driver's own type. */
export const own = <S>(id: number, type: ExtensionObjectType<S>, access: 'read' | 'write' | 'destroy' = 'read') =>
  make<ExtensionObject<S>, 'in'>(id, 'in', { form: 'own', type, access });
/** An object of the driver's own type that the method makes. The core gives it a handle, the method its state. */
export const made = <S>(id: number, type: ExtensionObjectType<S>) =>
  make<ExtensionObject<S>, 'new'>(id, 'new', { form: 'own', type, access: 'write' });
/** The attribute may be left out. */
export const optional = <T, D extends Direction>(attr: Attr<T, D, false>): Attr<T, D, true> => ({
  ...attr,
  optional: true,
});

export type Attrs = Readonly<Record<string, Attr>>;

type Of<A extends Attrs, D extends Direction, O extends boolean> = {
  [K in keyof A as A[K] extends Attr<infer _T, D, O> ? K : never]: A[K] extends Attr<infer T> ? T : never;
};
/** What a caller gives: objects as such, or as handles. */
type Given<T> = T extends VerbsObject ? T | number : T extends bigint ? bigint | number : T;
type AllGiven<T> = { [K in keyof T]: Given<T[K]> };
export type CallerIn<A extends Attrs> = AllGiven<Of<A, 'in', false> & Partial<Of<A, 'in', true>>>;
/** What the method gets: its inputs, and the new objects it is to fill. */
export type MethodIn<A extends Attrs> = Of<A, 'in', false> & Partial<Of<A, 'in', true>> & Of<A, 'new', false>;
/** What the method returns: its outputs but for the new objects. */
export type MethodOut<A extends Attrs> = Of<A, 'out', false> & Partial<Of<A, 'out', true>>;
export type CallerOut<A extends Attrs> = MethodOut<A> & Of<A, 'new', false>;

const RANGE = { 1: 0xff, 2: 0xffff, 4: 0xffffffff, 8: Number.MAX_SAFE_INTEGER } as const;

/** The value as the method gets it: checked (EINVAL), with handles resolved to objects of the context. */
export function checkValue(
  verb: string,
  name: string,
  codec: Codec<unknown>,
  value: unknown,
  context: Context,
): unknown {
  switch (codec.form) {
    case 'number':
      if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= RANGE[codec.bytes])
        return value;
      return fail(verb, 'EINVAL', `${name} is ${value}; an integer from 0 to ${RANGE[codec.bytes]} is allowed`);
    case 'bigint': {
      const wide = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
      if (typeof wide === 'bigint' && wide >= 0n && wide < 1n << 64n) return wide;
      return fail(verb, 'EINVAL', `${name} is ${value}; an integer from 0 to 2^64-1 is allowed`);
    }
    case 'bytes': {
      if (value instanceof Uint8Array && value.length >= codec.min && value.length <= codec.max) return value;
      const has = value instanceof Uint8Array ? `${value.length} bytes` : typeof value;
      return fail(verb, 'EINVAL', `${name} is ${has}; ${codec.min} to ${codec.max} bytes are allowed`);
    }
    case 'fd':
      if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= 0x7fffffff) return value;
      return fail(verb, 'EBADF', `${name} is ${value}, which is no file descriptor`);
    case 'object':
      return resolve(verb, name, codec.kind, value, context);
    case 'own': {
      const found = resolve(verb, name, 'extension', value, context) as ExtensionObject;
      if (found.type === codec.type) return found;
      return fail(verb, 'EINVAL', `${name}: object ${found.handle} is a ${found.type.name}, not a ${codec.type.name}`);
    }
  }
}

function resolve(verb: string, name: string, kind: ObjectKind, value: unknown, context: Context): VerbsObject {
  if (value instanceof VerbsObject) {
    if (value.context !== context)
      fail(verb, 'EINVAL', `${name}: ${value.kind} ${value.handle} belongs to another context`);
    if (value.destroyed) fail(verb, 'EINVAL', `${name}: ${value.kind} ${value.handle} is destroyed`);
    if (value.kind === kind) return value;
    return fail(verb, 'EINVAL', `${name}: object ${value.handle} is of kind ${value.kind}, not ${kind}`);
  }
  if (typeof value !== 'number') fail(verb, 'EINVAL', `${name} is neither an object nor a handle`);
  const found = context.objects.get(value);
  // As uverbs' lookup: ENOENT for a handle that names nothing, EINVAL for one that names something else.
  if (found === undefined) fail(verb, 'ENOENT', `${name}: there is no object with handle ${value}`);
  if (found.kind === kind) return found;
  return fail(verb, 'EINVAL', `${name}: object ${value} is of kind ${found.kind}, not ${kind}`);
}

/** An input's value from the bytes a program gave (host byte order). EINVAL when they are too few or too many. */
export function decode(verb: string, name: string, codec: Codec<unknown>, data: Uint8Array): unknown {
  if (codec.form !== 'number' && codec.form !== 'bigint') return data;
  checkSize(verb, name, codec.bytes, data.length);
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (codec.form === 'bigint') return view.getBigUint64(0, true);
  if (codec.bytes === 1) return view.getUint8(0);
  if (codec.bytes === 2) return view.getUint16(0, true);
  if (codec.bytes === 4) return view.getUint32(0, true);
  return Number(view.getBigUint64(0, true));
}

/** The bytes of an output's value. */
export function encode(codec: Codec<unknown>, value: unknown): Uint8Array {
  if (codec.form !== 'number' && codec.form !== 'bigint') return value as Uint8Array;
  const wide = Buffer.alloc(8);
  wide.writeBigUInt64LE(BigInt(value as number | bigint));
  return wide.subarray(0, codec.bytes);
}

function checkSize(verb: string, name: string, want: number, have: number): void {
  if (have !== want) fail(verb, 'EINVAL', `${name} has ${have} bytes; ${want} are allowed`);
}
