// The checks that many verbs share. Each failure is a sentence that names the argument and what is allowed.
import type { Context } from './context.ts';
import { type ErrnoName, VerbsError } from './errors.ts';
import type { ObjectOf } from './handles.ts';
import { type ObjectKind, VerbsObject } from './object.ts';

export function fail(verb: string, code: ErrnoName, message: string): never {
  throw new VerbsError(verb, code, message);
}

/** EINVAL unless `value` is an integer from `min` to `max`. */
export function checkInteger(verb: string, name: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  fail(verb, 'EINVAL', `${name} is ${value}; an integer from ${min} to ${max} is allowed`);
}

/** The sentence {@link checkInteger} would throw, or null. */
export function integerFault(name: string, value: number | undefined, min: number, max: number): string | null {
  if (value !== undefined && Number.isSafeInteger(value) && value >= min && value <= max) return null;
  return `${name} is ${value}; an integer from ${min} to ${max} is allowed`;
}

export function checkOpen(verb: string, context: Context): void {
  if (context.closed) fail(verb, 'EINVAL', `the context of ${context.owner} is closed`);
}

/** EINVAL unless `object` is a live object of the kind, and of `context` where one is given. */
export function checkLive<K extends ObjectKind>(
  verb: string,
  name: string,
  kind: K,
  object: ObjectOf[K],
  context?: Context,
): void {
  if (!(object instanceof VerbsObject) || object.kind !== kind)
    fail(verb, 'EINVAL', `${name} is not an object of kind ${kind}`);
  if (object.destroyed) fail(verb, 'EINVAL', `${name}: ${kind} ${object.handle} is destroyed`);
  if (context !== undefined && object.context !== context) {
    fail(verb, 'EINVAL', `${name}: ${kind} ${object.handle} belongs to another context`);
  }
}
