// Driver extensions: object types and methods in the driver's own namespace (UVERBS_ID_DRIVER_NS), on the same context
// as everything else. The core checks what a method is given, and owns handles, rights and lifetimes.
import type { Context } from './context.ts';
import {
  type Attrs,
  type CallerIn,
  type CallerOut,
  DRIVER_NAMESPACE,
  type ExtensionObjectType,
  type MethodIn,
  type MethodOut,
} from './extension-attrs.ts';
import { callMethod } from './extension-call.ts';
import { callRaw, type RawAttr } from './extension-raw.ts';

export interface MethodCall<A extends Attrs> {
  readonly context: Context;
  /** The inputs, checked; and the new objects, whose `state` the method sets. */
  readonly args: MethodIn<A>;
}

export interface Method<A extends Attrs = Attrs> {
  /** The object type whose method it is, to those that call by number. */
  readonly object: ExtensionObjectType;
  /** Within the driver's namespace. */
  readonly id: number;
  readonly attrs: A;
  readonly run: (call: MethodCall<A>) => MethodOut<A>;
}

/** Declares a method; `attrs` give `run` its types. */
export function method<S, A extends Attrs>(
  object: ExtensionObjectType<S>,
  id: number,
  attrs: A,
  run: (call: MethodCall<A>) => MethodOut<A>,
): Method<A> {
  return { object, id, attrs, run };
}

// biome-ignore lint/suspicious/noExplicitAny: methods of all attributes
type AnyMethod = Method<any>;
type AttrsOf<M> = M extends Method<infer A> ? A : never;

export interface Extension<M extends Readonly<Record<string, AnyMethod>> = Readonly<Record<string, AnyMethod>>> {
  readonly name: string;
  readonly methods: M;
  /** Calls a method. Fails with EPROTONOSUPPORT for a method or an attribute there is not. */
  method<N extends keyof M & string>(
    context: Context,
    name: N,
    args: CallerIn<AttrsOf<M[N]>>,
  ): CallerOut<AttrsOf<M[N]>>;
  /** The same from numbers and bytes, as a program calls it through RDMA_VERBS_IOCTL. Fills the outputs in `attrs`. */
  raw(context: Context, objectId: number, methodId: number, attrs: readonly RawAttr[]): void;
}

/** Declares an extension. The device that has it lists it in its registration. */
export function defineExtension<const M extends Readonly<Record<string, AnyMethod>>>(
  name: string,
  methods: M,
): Extension<M> {
  checkIds(name, methods);
  const extension: Extension<M> = {
    name,
    methods,
    method: (context, called, args) => callMethod(extension as never, context, called, args) as never,
    raw: (context, objectId, methodId, attrs) => callRaw(extension as never, context, objectId, methodId, attrs),
  };
  return extension;
}

function checkIds(name: string, methods: Readonly<Record<string, AnyMethod>>): void {
  const seen = new Set<string>();
  for (const [called, { object, id, attrs }] of Object.entries(methods)) {
    const ids = Object.values(attrs as Attrs).map((attr) => attr.id);
    if (new Set(ids).size !== ids.length) throw new TypeError(`${name}.${called}: two attributes have one id`);
    if ([object.id, id, ...ids].some((n) => !Number.isInteger(n) || n < 0 || n >= DRIVER_NAMESPACE)) {
      throw new TypeError(`${name}.${called}: ids are 0 to ${DRIVER_NAMESPACE - 1}`);
    }
    if (seen.has(`${object.id}.${id}`)) throw new TypeError(`${name}.${called}: another method has its id`);
    seen.add(`${object.id}.${id}`);
  }
}
