// Methods of drivers' own, called by numbers: handed to the device's extensions with the bytes that belong to them.
import type { Extension, Method } from '../core/extension.ts';
import { type Attr, DRIVER_NAMESPACE } from '../core/extension-attrs.ts';
import type { RawAttr } from '../core/extension-raw.ts';
import { addressAt } from './attributes.ts';
import type { Caller } from './caller.ts';
import { refuse } from './errno.ts';
import type { UverbsFile } from './file.ts';
import { AttrFlag, DRIVER_NS } from './ids.ts';
import { Attr as Layout } from './layout.ts';

/** The extension that has the method; undefined when none has. */
export function extensionOf(file: UverbsFile, objectId: number, methodId: number): Extension | undefined {
  if (objectId < DRIVER_NS && methodId < DRIVER_NS) return undefined;
  return file.device.device.extensions.find((ext) => methodOf(ext, objectId, methodId) !== undefined);
}

function methodOf(ext: Extension, objectId: number, methodId: number): Method | undefined {
  return Object.values<Method>(ext.methods).find(
    (m) => m.object.id + DRIVER_NAMESPACE === objectId && m.id + DRIVER_NAMESPACE === methodId,
  );
}

interface Item extends RawAttr {
  readonly at: number;
  readonly address: number;
  readonly direction: Attr['direction'] | null;
}

/** Calls the method; throws what it throws. */
export function runExtension(
  file: UverbsFile,
  caller: Caller,
  ext: Extension,
  objectId: number,
  methodId: number,
  attrsAt: number,
  raw: Buffer,
): void {
  const declared = Object.values<Attr>(methodOf(ext, objectId, methodId)!.attrs);
  const items: Item[] = [];
  for (let at = 0; at < raw.length; at += Layout.size) {
    items.push(itemOf(caller, declared, raw.subarray(at, at + Layout.size), attrsAt + at));
  }
  ext.raw(file.context, objectId, methodId, items);
  for (const item of items) {
    if (item.direction === 'new') {
      const handle = Buffer.alloc(8);
      handle.writeUInt32LE(item.value);
      put(caller, item.at + Layout.data, handle, 8);
    } else if (item.written > 0) {
      put(caller, item.address, Buffer.from(item.data), item.written);
      const flags = Buffer.alloc(2);
      flags.writeUInt16LE((item.mandatory ? AttrFlag.MANDATORY : 0) | AttrFlag.VALID_OUTPUT);
      put(caller, item.at + Layout.flags, flags, 2);
    }
  }
}

function itemOf(caller: Caller, declared: readonly Attr[], raw: Buffer, at: number): Item {
  const id = raw.readUInt16LE(Layout.attrId);
  const length = raw.readUInt16LE(Layout.len);
  const address = addressAt(raw, Layout.data);
  if (raw.readUInt16LE(Layout.attrData) !== 0) refuse('EINVAL', `attribute ${id} has reserved bits set`);
  const attr = declared.find((it) => it.id + DRIVER_NAMESPACE === id);
  const data = Buffer.alloc(length);
  // Inputs of up to 8 bytes stand in the attribute itself.
  if (attr?.direction === 'in' && length <= 8) raw.copy(data, 0, Layout.data, Layout.data + length);
  else if (attr?.direction === 'in' && !caller.read(address, data, 0, length)) {
    refuse('EFAULT', `attribute ${id}: ${length} bytes at 0x${address.toString(16)} cannot be read`);
  }
  const mandatory = (raw.readUInt16LE(Layout.flags) & AttrFlag.MANDATORY) !== 0;
  return { id, mandatory, data, value: address, written: 0, at, address, direction: attr?.direction ?? null };
}

function put(caller: Caller, address: number, bytes: Buffer, length: number): void {
  if (!caller.write(address, bytes, 0, length)) refuse('EFAULT', `0x${address.toString(16)} cannot be written`);
}
