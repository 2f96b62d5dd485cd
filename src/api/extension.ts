// A driver's extension as a program calls it: its methods, bound to an open device.
import type { AddressHandle as CoreAh } from '../core/ah.ts';
import type { Context } from '../core/context.ts';
import type { CompletionQueue as CoreCq } from '../core/cq.ts';
import type { Extension, Method } from '../core/extension.ts';
import type { CallerIn, CallerOut } from '../core/extension-attrs.ts';
import { checkOffered } from '../core/extension-call.ts';
import type { MemoryRegion as CoreMr, MemoryWindow as CoreMw } from '../core/mr.ts';
import type { ProtectionDomain as CorePd } from '../core/pd.ts';
import type { QueuePair as CoreQp } from '../core/qp.ts';
import type { SharedReceiveQueue as CoreSrq } from '../core/srq.ts';
import { AddressHandle } from './ah.ts';
import { CompletionQueue } from './cq.ts';
import { MemoryRegion } from './mr.ts';
import { MemoryWindow } from './mw.ts';
import { ProtectionDomain } from './pd.ts';
import { QueuePair } from './qp.ts';
import { SharedReceiveQueue } from './srq.ts';

const WRAPPERS = [
  ProtectionDomain,
  MemoryRegion,
  MemoryWindow,
  CompletionQueue,
  QueuePair,
  SharedReceiveQueue,
  AddressHandle,
] as const;

/** The object of this package for one of the core's. */
type Wrapper<T> =
  | (CorePd extends T ? ProtectionDomain : never)
  | (CoreMr extends T ? MemoryRegion : never)
  | (CoreMw extends T ? MemoryWindow : never)
  | (CoreCq extends T ? CompletionQueue : never)
  | (CoreQp extends T ? QueuePair : never)
  | (CoreSrq extends T ? SharedReceiveQueue : never)
  | (CoreAh extends T ? AddressHandle : never);
type Accepted<I> = { [K in keyof I]: I[K] | Wrapper<I[K]> };

/** The methods of an extension: made by `device.extension`. Objects are given as they are, or by handle. */
export type BoundExtension<E extends Extension> = {
  readonly [N in keyof E['methods']]: E['methods'][N] extends Method<infer A>
    ? (args: Accepted<CallerIn<A>>) => CallerOut<A>
    : never;
};

/** EPROTONOSUPPORT when the context's device has it not. */
export function bindExtension<E extends Extension>(extension: E, context: Context): BoundExtension<E> {
  checkOffered('extension', extension, context);
  const bound: Record<string, (args: Readonly<Record<string, unknown>>) => unknown> = {};
  for (const name of Object.keys(extension.methods)) {
    bound[name] = (args) => extension.method(context, name, unwrapped(args));
  }
  return Object.freeze(bound) as BoundExtension<E>;
}

function unwrapped(args: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const out: Record<string, unknown> = { ...args };
  for (const [name, value] of Object.entries(out)) {
    const wrapper = WRAPPERS.find((it) => value instanceof it);
    if (wrapper !== undefined) out[name] = (value as InstanceType<typeof wrapper>).core;
  }
  return out;
}
