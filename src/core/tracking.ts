// Taking objects in and letting them go: handles, counts, limits, keys, and who stands on whom.
import { checkOpen, fail } from './check.ts';
import type { Context } from './context.ts';
import type { Device } from './device.ts';
import type { ObjectOf } from './handles.ts';
import { MemoryRegion, MemoryWindow } from './mr.ts';
import type { ObjectKind, VerbsObject } from './object.ts';
import { QueuePair } from './qp.ts';

type AnyObject = ObjectOf[ObjectKind];

/** The objects that `object` stands on, once for each time (a QP with one CQ for both queues stands on it twice). */
export function parentsOf(object: VerbsObject): VerbsObject[] {
  const it = object as AnyObject;
  switch (it.kind) {
    case 'pd':
    case 'comp_channel':
      return [];
    case 'cq':
      return it.channel === null ? [] : [it.channel];
    case 'mr':
    case 'mw':
    case 'srq':
    case 'ah':
      return [it.pd];
    case 'qp':
      return it.srq === null ? [it.pd, it.sendCq, it.recvCq] : [it.pd, it.sendCq, it.recvCq, it.srq];
    case 'mcast':
      return [it.qp];
    case 'extension':
      return [...it.parents];
  }
}

function deviceMaximum(device: Device, kind: ObjectKind): number {
  const attr = device.attributes;
  switch (kind) {
    case 'pd':
      return attr.maxPd;
    case 'mr':
      return attr.maxMr;
    case 'mw':
      return attr.maxMw;
    case 'cq':
      return attr.maxCq;
    case 'qp':
      return attr.maxQp;
    case 'srq':
      return attr.maxSrq;
    case 'ah':
      return attr.maxAh;
    default:
      return Number.POSITIVE_INFINITY;
  }
}

/** ENOMEM unless the device and the context have room for one more of the kind. */
export function checkRoom(verb: string, context: Context, kind: ObjectKind): void {
  checkOpen(verb, context);
  const { device, handles, limits, owner } = context;
  const maximum = deviceMaximum(device, kind);
  if (device.counts[kind] >= maximum)
    fail(verb, 'ENOMEM', `device ${device.name} has room for ${maximum} of kind ${kind}`);
  if (handles.count(kind) >= limits[kind]) {
    fail(verb, 'ENOMEM', `the limit of ${owner} is ${limits[kind]} of kind ${kind}`);
  }
}

/** Takes in an object that a driver has made: it has a handle from here on, and its parents one user more. */
export function adopt<T extends VerbsObject>(object: T): T {
  const { context } = object;
  const parents = parentsOf(object);
  for (let i = 0; i < parents.length; i++) parents[i].users++;
  context.handles.insert(object);
  context.device.counts[object.kind]++;
  return object;
}

/** EBUSY while other objects stand on this one. */
export function checkIdle(verb: string, object: VerbsObject): void {
  if (object.users > 0) {
    fail(verb, 'EBUSY', `${object.kind} ${object.handle} has ${object.users} user${object.users === 1 ? '' : 's'}`);
  }
}

/** Lets an object go that its driver has destroyed: its keys and its rights end, its parents have one user less. */
export function release(object: VerbsObject): void {
  if (object.destroyed) return;
  const { context } = object;
  const { device } = context;
  if (object instanceof MemoryRegion) {
    device.keys.remove(object.lkey);
    context.registeredBytes -= object.length;
  } else if (object instanceof MemoryWindow) {
    device.keys.remove(object.rkey);
    object.unbind();
  } else if (object instanceof QueuePair) {
    // A type 2 window that is bound to it would be reachable by nobody, and would still hold its region.
    for (const mw of context.handles.ofKind('mw')) if (mw.qp === object) mw.unbind();
  }
  object.destroyed = true;
  context.handles.remove(object);
  device.counts[object.kind]--;
  for (const parent of parentsOf(object)) parent.users--;
}

/** What every destroy verb does: refuse while busy, tell the driver, let go. */
export function destroyObject(verb: string, object: VerbsObject, tellDriver: () => void): void {
  checkIdle(verb, object);
  tellDriver();
  release(object);
}
