// RDMA_VERBS_IOCTL (drivers/infiniband/core/uverbs_ioctl.c): which method, with which attributes.
import { Attributes, addressAt } from './attributes.ts';
import type { Caller } from './caller.ts';
import { EFAULT, EINVAL, EPROTONOSUPPORT, errnoOf } from './errno.ts';
import { extensionOf, runExtension } from './extension.ts';
import type { UverbsFile } from './file.ts';
import { AttrFlag } from './ids.ts';
import { Attr, IoctlHdr } from './layout.ts';
import type { AttrSpec, Method } from './spec.ts';
import { METHODS } from './table.ts';

const PAGE = 4096;
/** A header and eight attributes. */
const FIRST = IoctlHdr.size + 8 * Attr.size;
const header = Buffer.from(new ArrayBuffer(FIRST));

interface Entry {
  readonly method: Method;
  readonly specs: ReadonlyMap<number, AttrSpec>;
  readonly mandatory: readonly number[];
}

const keyOf = (object: number, method: number): number => object * 0x10000 + method;
const entries = new Map<number, Entry>();
for (const method of METHODS) {
  entries.set(keyOf(method.object, method.id), {
    method,
    specs: new Map(method.attrs.map((spec) => [spec.id, spec])),
    mandatory: method.attrs.filter((spec) => spec.mandatory).map((spec) => spec.id),
  });
}

/** Carries out the call whose header is at `address`; 0 or an errno. Throws nothing. */
export function verbsIoctl(file: UverbsFile, caller: Caller, address: number): number {
  try {
    return dispatch(file, caller, address);
  } catch (error) {
    file.device.onError?.(error);
    return errnoOf(error);
  }
}

function dispatch(file: UverbsFile, caller: Caller, address: number): number {
  // With what mostly stands behind it, as far as that is on the same page: what is not there is not asked for.
  const known = Math.max(IoctlHdr.size, Math.min(FIRST, PAGE - (address % PAGE)));
  if (!caller.read(address, header, 0, known)) return EFAULT;
  const length = header.readUInt16LE(IoctlHdr.length);
  const count = header.readUInt16LE(IoctlHdr.numAttrs);
  if (length > PAGE || length !== IoctlHdr.size + count * Attr.size) return EINVAL;
  if (addressAt(header, IoctlHdr.reserved1) !== 0 || header.readUInt32LE(IoctlHdr.reserved2) !== 0) {
    return EPROTONOSUPPORT;
  }
  if (header.readUInt32LE(IoctlHdr.driverId) !== file.device.abi.driverId) return EINVAL;
  const objectId = header.readUInt16LE(IoctlHdr.objectId);
  const methodId = header.readUInt16LE(IoctlHdr.methodId);
  const raw = Buffer.allocUnsafe(count * Attr.size);
  const attrsAt = address + IoctlHdr.size;
  const entry = entries.get(keyOf(objectId, methodId));
  const extension = entry === undefined ? extensionOf(file, objectId, methodId) : undefined;
  if (entry === undefined && extension === undefined) return EPROTONOSUPPORT;
  if (length <= known) header.copy(raw, 0, IoctlHdr.size, length);
  else if (!caller.read(attrsAt, raw, 0, raw.length)) return EFAULT;
  if (entry === undefined) {
    runExtension(file, caller, extension!, objectId, methodId, attrsAt, raw);
    return 0;
  }
  const attrs = new Attributes(file, caller);
  for (let at = 0; at < raw.length; at += Attr.size) {
    const one = raw.subarray(at, at + Attr.size);
    const spec = entry.specs.get(one.readUInt16LE(Attr.attrId));
    if (spec !== undefined) attrs.add(spec, attrsAt + at, one);
    else if (one.readUInt16LE(Attr.flags) & AttrFlag.MANDATORY) return EPROTONOSUPPORT;
  }
  for (const id of entry.mandatory) if (!attrs.has(id)) return EINVAL;
  entry.method.run(attrs);
  return 0;
}
