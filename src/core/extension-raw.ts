// Extension methods called by numbers and bytes, as a program calls them through RDMA_VERBS_IOCTL.
import { fail } from './check.ts';
import type { Context } from './context.ts';
import type { Extension, Method } from './extension.ts';
import { type Attr, DRIVER_NAMESPACE, decode, encode } from './extension-attrs.ts';
import { checkOffered, runMethod, type Values } from './extension-call.ts';
import type { ExtensionObject } from './extension-object.ts';

/** `struct ib_uverbs_attr`, with the bytes it points to. */
export interface RawAttr {
  /** With the namespace bit. */
  readonly id: number;
  /** UVERBS_ATTR_F_MANDATORY: an attribute that is not known is an error, not one to pass over. */
  readonly mandatory: boolean;
  /** The bytes of an input, the room for an output. */
  readonly data: Uint8Array;
  /** A handle or a file descriptor; the core writes the handle of a new object here. */
  value: number;
  /** Bytes of an output that the core wrote to `data`. */
  written: number;
}

/** Calls a method by numbers; the outputs go into `raw`. The errors are those of uverbs_ioctl.c. */
export function callRaw(
  extension: Extension,
  context: Context,
  objectId: number,
  methodId: number,
  raw: readonly RawAttr[],
): void {
  const found = Object.entries<Method>(extension.methods).find(
    ([, m]) => m.object.id + DRIVER_NAMESPACE === objectId && m.id + DRIVER_NAMESPACE === methodId,
  );
  if (found === undefined) {
    const ids = `0x${objectId.toString(16)}.0x${methodId.toString(16)}`;
    fail(extension.name, 'EPROTONOSUPPORT', `extension ${extension.name} has no method ${ids}`);
  }
  const [name, method] = found;
  const verb = `${extension.name}.${name}`;
  checkOffered(verb, extension, context);
  const given = match(verb, name, method, raw);
  const args: Values = {};
  for (const [key, item] of given) {
    const attr = method.attrs[key];
    if (attr.direction === 'new') referenceOf(verb, key, item);
    else if (attr.direction === 'out') checkOutput(verb, key, attr, item);
    else args[key] = isReference(attr) ? referenceOf(verb, key, item) : decode(verb, key, attr.codec, item.data);
  }
  for (const [key, attr] of Object.entries<Attr>(method.attrs)) {
    if (!attr.optional && !given.has(key)) fail(verb, 'EINVAL', `${key} is not given, and is mandatory`);
  }
  const out = runMethod(verb, method, context, args);
  for (const [key, item] of given) {
    const { direction, codec } = method.attrs[key];
    if (direction === 'new') item.value = (out[key] as ExtensionObject).handle;
    if (direction !== 'out' || out[key] === undefined) continue;
    const bytes = encode(codec, out[key]);
    item.data.set(bytes);
    item.written = bytes.length;
  }
}

function match(verb: string, name: string, method: Method, raw: readonly RawAttr[]): Map<string, RawAttr> {
  const given = new Map<string, RawAttr>();
  for (const item of raw) {
    const key = Object.keys(method.attrs).find((k) => method.attrs[k].id + DRIVER_NAMESPACE === item.id);
    if (key === undefined) {
      if (item.mandatory) fail(verb, 'EPROTONOSUPPORT', `${name} has no attribute 0x${item.id.toString(16)}`);
      continue;
    }
    if (given.has(key)) fail(verb, 'EINVAL', `${key} is given twice`);
    given.set(key, item);
  }
  return given;
}

function isReference({ codec }: Attr): boolean {
  return codec.form === 'own' || codec.form === 'object' || codec.form === 'fd';
}

// Handles and descriptors are in the attribute itself, and have no length (uverbs_process_attr).
function referenceOf(verb: string, name: string, item: RawAttr): number {
  const { length } = item.data;
  if (length !== 0) fail(verb, 'EINVAL', `${name} is a reference and has ${length} bytes; none are allowed`);
  return item.value;
}

function checkOutput(verb: string, name: string, { codec }: Attr, item: RawAttr): void {
  const { length } = item.data;
  if (codec.form === 'bytes') {
    if (length < codec.max) fail(verb, 'EINVAL', `${name} has room for ${length} bytes; ${codec.max} are needed`);
  } else if (codec.form === 'number' || codec.form === 'bigint') {
    if (length !== codec.bytes) fail(verb, 'EINVAL', `${name} has ${length} bytes; ${codec.bytes} are allowed`);
  }
}
