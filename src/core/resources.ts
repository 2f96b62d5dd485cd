// What lives in a device, as `rdma resource show` prints it: every object, whose it is, and what it stands on.
import { MwType, nameOf, QpState, QpType } from './constants.ts';
import type { Device } from './device.ts';
import { gidToText } from './gid-text.ts';
import { noneOfEach, type ObjectOf } from './handles.ts';
import type { ObjectKind, VerbsObject } from './object.ts';
import { parentsOf } from './tracking.ts';

export interface ResourceEntry {
  readonly kind: ObjectKind;
  readonly handle: number;
  /** What the object is known by outside its context: QPN, L_Key, R_Key; its handle where it has no other name. */
  readonly id: number;
  readonly owner: string;
  readonly parents: readonly { readonly kind: ObjectKind; readonly handle: number }[];
  /** Objects that stand on it. */
  readonly users: number;
  /** `RTS` for a queue pair, `bound` or `free` for a memory window, `ok` or `failed` for a CQ; null where there is none. */
  readonly state: string | null;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

export interface ResourceSummary {
  readonly contexts: number;
  readonly counts: Readonly<Record<ObjectKind, number>>;
}

/** Every live object, context by context, oldest first. */
export function listResources(device: Device): ResourceEntry[] {
  return [...device.contexts].flatMap((context) => [...context.objects.values()].map(entryOf));
}

/** How many of each kind (`rdma resource`), counted anew from the contexts. */
export function summarizeResources(device: Device): ResourceSummary {
  const counts = noneOfEach();
  for (const context of device.contexts) for (const object of context.objects.values()) counts[object.kind]++;
  return { contexts: device.contexts.size, counts };
}

function entryOf(object: VerbsObject): ResourceEntry {
  const it = object as ObjectOf[ObjectKind];
  return {
    kind: it.kind,
    handle: it.handle,
    id: idOf(it),
    owner: it.context.owner,
    parents: parentsOf(it).map(({ kind, handle }) => ({ kind, handle })),
    users: it.users,
    state: stateOf(it),
    attributes: attributesOf(it),
  };
}

function idOf(it: ObjectOf[ObjectKind]): number {
  if (it.kind === 'qp') return it.qpn;
  if (it.kind === 'mr') return it.lkey;
  return it.kind === 'mw' ? it.rkey : it.handle;
}

function stateOf(it: ObjectOf[ObjectKind]): string | null {
  if (it.kind === 'qp') return nameOf(QpState, it.state);
  if (it.kind === 'cq') return it.failed ? 'failed' : 'ok';
  if (it.kind === 'mw') return it.mr === null ? 'free' : 'bound';
  return null;
}

function attributesOf(it: ObjectOf[ObjectKind]): Record<string, string | number | boolean> {
  switch (it.kind) {
    case 'qp': {
      const { destQpn, rqPsn, sqPsn } = it.attr;
      return { type: nameOf(QpType, it.type), destQpn, rqPsn, sqPsn, ...it.cap, sqSigAll: it.sqSigAll };
    }
    case 'mr':
      return { rkey: it.rkey, iova: it.iova, length: it.length, access: it.access };
    case 'mw': {
      const type = nameOf(MwType, it.type);
      if (it.mr === null) return { type };
      return { type, mr: it.mr.handle, addr: it.addr, length: it.length, access: it.access };
    }
    case 'cq':
      return { cqe: it.cqe, armed: it.armed !== 0 };
    case 'srq':
      return { ...it.attr };
    case 'ah':
      return { dgid: gidToText(it.av.dgid), sgidIndex: it.av.sgidIndex, trafficClass: it.av.trafficClass };
    case 'mcast':
      return { gid: gidToText(it.gid), qpn: it.qp.qpn, lid: it.lid };
    case 'extension':
      return { type: it.type.name };
    case 'pd':
    case 'comp_channel':
      return {};
  }
}
