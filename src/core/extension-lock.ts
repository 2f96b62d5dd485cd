// Holding objects during a call. The engine has one thread, but a method may call verbs, and other methods.
import { fail } from './check.ts';
import type { Method } from './extension.ts';
import type { Attr } from './extension-attrs.ts';
import type { VerbsObject } from './object.ts';
import { checkIdle } from './tracking.ts';

// -1: one writer; else so many readers.
const held = new WeakMap<VerbsObject, number>();

/**
 * Locks the objects among a call's inputs: reading shares, writing and destroying do not (EBUSY). Nobody else may destroy
 * what a call holds, so it counts as a user. Returns what undoes it all.
 */
export function lockInputs(verb: string, method: Method, inputs: Readonly<Record<string, unknown>>): () => void {
  const taken: VerbsObject[] = [];
  const unlock = (): void => {
    for (const object of taken) letGo(object);
  };
  try {
    for (const [name, { codec }] of Object.entries<Attr>(method.attrs)) {
      if ((codec.form !== 'own' && codec.form !== 'object') || inputs[name] === undefined) continue;
      const object = inputs[name] as VerbsObject;
      if (codec.access === 'destroy') checkIdle(verb, object);
      hold(verb, name, object, codec.access === 'read');
      taken.push(object);
    }
  } catch (error) {
    unlock();
    throw error;
  }
  return unlock;
}

function hold(verb: string, name: string, object: VerbsObject, shared: boolean): void {
  const now = held.get(object) ?? 0;
  if (now < 0 || (now > 0 && !shared)) {
    fail(verb, 'EBUSY', `${name}: ${object.kind} ${object.handle} is in use by another call`);
  }
  held.set(object, shared ? now + 1 : -1);
  object.users++;
}

function letGo(object: VerbsObject): void {
  const now = held.get(object)!;
  if (now > 1) held.set(object, now - 1);
  else held.delete(object);
  object.users--;
}
