// A call of an extension's method: attributes checked, objects found and locked, then the driver, then what became of them.
import { checkOpen, fail } from './check.ts';
import type { Context } from './context.ts';
import type { Extension, Method } from './extension.ts';
import { type Attr, checkValue } from './extension-attrs.ts';
import { lockInputs } from './extension-lock.ts';
import { ExtensionObject } from './extension-object.ts';
import type { VerbsObject } from './object.ts';
import { adopt, checkRoom, destroyObject } from './tracking.ts';

export type Values = Record<string, unknown>;

/** Calls a method by name, with values. */
export function callMethod(extension: Extension, context: Context, name: string, args: Values): Values {
  const verb = `${extension.name}.${name}`;
  checkOffered(verb, extension, context);
  const method: Method | undefined = Object.hasOwn(extension.methods, name) ? extension.methods[name] : undefined;
  if (method === undefined) fail(verb, 'EPROTONOSUPPORT', `extension ${extension.name} has no method ${name}`);
  for (const key of Object.keys(args)) {
    if (!Object.hasOwn(method.attrs, key) || method.attrs[key].direction !== 'in') {
      fail(verb, 'EPROTONOSUPPORT', `${name} has no input ${key}`);
    }
  }
  return runMethod(verb, method, context, args);
}

/** Ends an extension's object: refused while others stand on it, then its driver is told. */
export function destroyExtensionObject(object: ExtensionObject): void {
  destroyObject(object.type.name, object, () => object.type.destroy(object));
}

/** `object` stands on `parent` from now on, which cannot be destroyed before it. For methods. */
export function standOn(object: ExtensionObject, parent: VerbsObject): void {
  if (parent.destroyed || parent.context !== object.context) {
    fail(object.type.name, 'EINVAL', `${parent.kind} ${parent.handle} is destroyed, or of another context`);
  }
  object.parents.push(parent);
  // An object that its method is still making is counted when it is taken in.
  if (object.handle !== 0) parent.users++;
}

/** EPROTONOSUPPORT unless the context's device has the extension. */
export function checkOffered(verb: string, extension: Extension, context: Context): void {
  checkOpen(verb, context);
  if (!context.device.extensions.includes(extension)) {
    fail(verb, 'EPROTONOSUPPORT', `device ${context.device.name} has no extension ${extension.name}`);
  }
}

/** Runs a method on inputs as its caller gave them; returns its outputs, new objects among them. */
export function runMethod(verb: string, method: Method, context: Context, given: Values): Values {
  const attrs = Object.entries<Attr>(method.attrs);
  const inputs: Values = {};
  const fresh: Record<string, ExtensionObject> = {};
  for (const [name, { direction, optional, codec }] of attrs) {
    if (direction === 'in') {
      if (given[name] !== undefined) inputs[name] = checkValue(verb, name, codec, given[name], context);
      else if (!optional) fail(verb, 'EINVAL', `${name} is not given, and is mandatory`);
    } else if (direction === 'new' && codec.form === 'own') {
      checkRoom(verb, context, 'extension');
      fresh[name] = new ExtensionObject(context, codec.type);
    }
  }
  const unlock = lockInputs(verb, method, inputs);
  try {
    destroyInputs(attrs, inputs);
    const out: Values = { ...method.run({ context, args: { ...inputs, ...fresh } as never }) };
    try {
      checkOutputs(verb, attrs, out, context);
    } catch (error) {
      for (const object of Object.values(fresh)) object.type.destroy(object);
      throw error;
    }
    for (const [name, object] of Object.entries(fresh)) out[name] = adopt(object);
    return out;
  } finally {
    unlock();
  }
}

// Before the method runs, as uverbs does: a driver that refuses has then changed nothing. The method still sees the state.
function destroyInputs(attrs: [string, Attr][], inputs: Values): void {
  for (const [name, { codec }] of attrs) {
    if (codec.form !== 'own' || codec.access !== 'destroy' || inputs[name] === undefined) continue;
    const object = inputs[name] as ExtensionObject;
    object.users--;
    try {
      destroyExtensionObject(object);
    } finally {
      object.users++;
    }
  }
}

// A driver that returns what it did not declare is a driver with a mistake, and the caller is told so.
function checkOutputs(verb: string, attrs: [string, Attr][], out: Values, context: Context): void {
  for (const [name, { direction, optional, codec }] of attrs) {
    if (direction !== 'out') continue;
    if (out[name] !== undefined) out[name] = checkValue(verb, name, codec, out[name], context);
    else if (!optional) fail(verb, 'EINVAL', `the driver did not return ${name}`);
  }
}
