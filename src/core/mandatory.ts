// The set of verbs, exactly: what a driver must have, what it owes with a capability it claims, what it may have.
import { DeviceCap, QpType } from './constants.ts';
import type { DeviceAttributes, DriverOps } from './driver.ts';

/** What a device may claim beyond the mandatory verbs. */
export type Capability =
  | 'ah'
  | 'srq'
  | 'mw-type-1'
  | 'mw-type-2'
  | 'ud-multicast'
  | 'atomic'
  | 'resize-cq'
  | 'rereg-mr'
  | 'raw-packet';

export type OpName = keyof DriverOps;

/**
 * Whose the verb is: `mandatory` for in-process consumers, owed with any of the capabilities listed, `optional`, or the
 * core's own, which asks nothing of a driver.
 */
export type Owed = 'mandatory' | 'optional' | 'core' | readonly Capability[];

export interface Verb {
  /** As members of Linux's `struct ib_device_ops` are called; the core's own as libibverbs calls them. */
  readonly name: string;
  /** The verb's title in IBTA volume 1, chapter 11; null where it has none there. */
  readonly ibta: string | null;
  /** The part of chapter 11: 11.2 resources, 11.3 multicast, 11.4 work requests, 11.5 events. */
  readonly section: '11.2' | '11.3' | '11.4' | '11.5' | null;
  /** What a driver implements it with. */
  readonly ops: readonly OpName[];
  readonly owed: Owed;
  /** Why it is in that class. */
  readonly source: string;
  /** How it differs for iWARP; null where it does not. */
  readonly iwarp: string | null;
}

type Section = Verb['section'];

const LINUX = 'Linux ib_device_check_mandatory';

/**
 * What Linux's `ib_device_check_mandatory` (drivers/infiniband/core/device.c) asked of every device from 2005 on: without
 * any one of these a device was refused (EINVAL), which is why drivers carried stubs. get_port_immutable came in 2015.
 */
export const LINUX_THEN: readonly string[] = [
  ...['query_device', 'query_port', 'query_pkey', 'query_gid', 'alloc_pd', 'dealloc_pd', 'create_ah', 'destroy_ah'],
  ...['create_qp', 'modify_qp', 'destroy_qp', 'post_send', 'post_recv', 'create_cq', 'destroy_cq', 'poll_cq'],
  ...['req_notify_cq', 'get_dma_mr', 'dereg_mr', 'get_port_immutable'],
];

/**
 * What it asks today. Since 2019 a device that lacks one registers all the same, but `kverbs_provider` is false: it is for
 * user contexts only. The tables of GIDs and P_Keys are the core's, address handles a capability.
 */
export const LINUX_NOW: readonly string[] = [
  ...LINUX_THEN.filter((name) => !['query_pkey', 'query_gid', 'create_ah', 'destroy_ah'].includes(name)),
  'reg_user_mr',
];

/** Where iWARP (RFC 5040, 5041, 5044; verbs: draft-hilland-rddp-verbs) differs from InfiniBand. */
export const IWARP: Readonly<Record<string, string>> = {
  modify_qp:
    'IDLE, RTS, CLOSING, TERMINATE, ERROR instead of INIT, RTR, RTS, SQD; to RTS with an established LLP stream',
  create_ah: 'none: there are no datagrams',
  destroy_ah: 'none: there are no datagrams',
  query_ah: 'none: there are no datagrams',
  attach_mcast: 'none: there are no datagrams',
  detach_mcast: 'none: there are no datagrams',
  query_pkey: 'none: there are no partitions (Linux does not ask for the verb any more)',
  query_gid: 'one entry, from the MAC address; addresses are those of IP',
  post_send: 'no immediate data and no atomics but with RFC 7306; the sink of a READ needs an STag with remote write',
  atomic: 'RFC 7306 only',
  bind_mw: 'windows of type 2 only, bound by a work request',
  create_srq: 'limits besides: of one queue pair (S-RQ per-QP limit)',
};

function verb(
  name: string,
  section: Section,
  ibta: string | null,
  ops: readonly OpName[],
  owed: Owed,
  source: string,
): Verb {
  return { name, ibta, section, ops, owed, source, iwarp: IWARP[name] ?? null };
}

/** Every verb there is. Those that Linux demands of a kernel-verbs device come first, in its order. */
export const VERBS: readonly Verb[] = [
  verb('query_device', '11.2', 'Query HCA', ['queryDevice'], 'mandatory', LINUX),
  verb('query_port', '11.2', 'Query HCA', ['queryPort'], 'mandatory', LINUX),
  verb('alloc_pd', '11.2', 'Allocate Protection Domain', ['allocPd'], 'mandatory', LINUX),
  verb('dealloc_pd', '11.2', 'Deallocate Protection Domain', ['deallocPd'], 'mandatory', LINUX),
  verb('create_qp', '11.2', 'Create Queue Pair', ['createQp'], 'mandatory', LINUX),
  verb('modify_qp', '11.2', 'Modify Queue Pair', ['modifyQp'], 'mandatory', LINUX),
  verb('destroy_qp', '11.2', 'Destroy Queue Pair', ['destroyQp'], 'mandatory', LINUX),
  verb('post_send', '11.4', 'Post Send Request', ['postSend'], 'mandatory', LINUX),
  verb('post_recv', '11.4', 'Post Receive Request', ['postRecv'], 'mandatory', LINUX),
  verb('create_cq', '11.2', 'Create Completion Queue', ['createCq'], 'mandatory', LINUX),
  verb('destroy_cq', '11.2', 'Destroy Completion Queue', ['destroyCq'], 'mandatory', LINUX),
  verb('poll_cq', '11.4', 'Poll for Completion', ['pollCq'], 'mandatory', LINUX),
  verb('req_notify_cq', '11.4', 'Request Completion Notification', ['reqNotifyCq'], 'mandatory', LINUX),
  verb('get_dma_mr', '11.2', 'Register Physical Memory Region', ['regMr'], 'mandatory', LINUX),
  verb('reg_user_mr', '11.2', 'Register Memory Region', ['regMr'], 'mandatory', LINUX),
  verb('dereg_mr', '11.2', 'Deregister Memory Region', ['deregMr'], 'mandatory', LINUX),
  verb('get_port_immutable', '11.2', null, ['queryPort'], 'mandatory', LINUX),

  verb('create_ah', '11.2', 'Create Address Handle', ['createAh'], ['ah'], 'IBTA: a UD send needs an address handle'),
  verb('destroy_ah', '11.2', 'Destroy Address Handle', ['destroyAh'], ['ah'], 'IBTA: with Create Address Handle'),
  verb(
    'query_ah',
    '11.2',
    'Query Address Handle',
    ['queryAh'],
    'optional',
    'Linux: rdma_query_ah, few drivers have it',
  ),
  verb('create_srq', '11.2', 'Create Shared Receive Queue', ['createSrq'], ['srq'], 'IBTA: max_srq > 0'),
  verb(
    'modify_srq',
    '11.2',
    'Modify Shared Receive Queue',
    ['modifySrq'],
    ['srq'],
    'IBTA: the SRQ limit is part of SRQs',
  ),
  verb('query_srq', '11.2', 'Query Shared Receive Queue', ['querySrq'], ['srq'], 'IBTA: max_srq > 0'),
  verb('destroy_srq', '11.2', 'Destroy Shared Receive Queue', ['destroySrq'], ['srq'], 'IBTA: max_srq > 0'),
  verb('post_srq_recv', '11.4', 'Post Receive Request (SRQ)', ['postSrqRecv'], ['srq'], 'IBTA: max_srq > 0'),
  verb('alloc_mw', '11.2', 'Allocate Memory Window', ['allocMw'], ['mw-type-1', 'mw-type-2'], 'IBV_DEVICE_MEM_WINDOW*'),
  verb(
    'dealloc_mw',
    '11.2',
    'Deallocate Memory Window',
    ['deallocMw'],
    ['mw-type-1', 'mw-type-2'],
    'IBV_DEVICE_MEM_WINDOW*',
  ),
  verb('bind_mw', '11.2', 'Bind Memory Window', ['postSend'], ['mw-type-1'], 'a posted work request since Linux 4.4'),
  verb(
    'attach_mcast',
    '11.3',
    'Attach QP to Multicast Group',
    ['attachMcast'],
    ['ud-multicast'],
    'IBTA: UD multicast; max_mcast_grp > 0',
  ),
  verb(
    'detach_mcast',
    '11.3',
    'Detach QP from Multicast Group',
    ['detachMcast'],
    ['ud-multicast'],
    'IBTA: UD multicast; max_mcast_grp > 0',
  ),
  verb(
    'atomic',
    '11.4',
    'Post Send Request (atomic operations)',
    ['postSend'],
    ['atomic'],
    'IBTA: atomic operation support',
  ),
  verb(
    'raw_packet',
    '11.4',
    'Post Send Request (raw datagrams)',
    ['postSend', 'postRecv'],
    ['raw-packet'],
    'IBV_QPT_RAW_PACKET',
  ),
  verb(
    'resize_cq',
    '11.2',
    'Resize Completion Queue',
    ['resizeCq'],
    ['resize-cq'],
    'IBTA has it; Linux ib_resize_cq does without',
  ),
  verb(
    'rereg_user_mr',
    '11.2',
    'Reregister Memory Region',
    ['reregMr'],
    ['rereg-mr'],
    'IBTA has it; Linux uverbs does without',
  ),
  verb('query_qp', '11.2', 'Query Queue Pair', ['queryQp'], 'optional', 'IBTA has it; Linux ib_query_qp does without'),

  verb('open_device', '11.2', 'Open HCA', [], 'core', 'contexts, their rights and limits'),
  verb('close_device', '11.2', 'Close HCA', [], 'core', 'contexts, their rights and limits'),
  verb('query_gid', '11.2', 'Query HCA', [], 'core', 'the GID table'),
  verb('query_pkey', '11.2', 'Query HCA', [], 'core', 'the P_Key table'),
  verb('query_mr', '11.2', 'Query Memory Region', [], 'core', 'listResources; no device_ops member in Linux either'),
  verb('create_comp_channel', '11.5', 'Set Completion Event Handler', [], 'core', 'completion channels'),
  verb('get_async_event', '11.5', 'Set Asynchronous Event Handler', [], 'core', 'Device.raise, Context.onAsyncEvent'),
];

/** All ops; a type error here means that DriverOps got one that the table above does not know. */
const EVERY_OP: Readonly<Record<OpName, true>> = {
  queryDevice: true,
  queryPort: true,
  allocPd: true,
  deallocPd: true,
  regMr: true,
  deregMr: true,
  reregMr: true,
  allocMw: true,
  deallocMw: true,
  createCq: true,
  destroyCq: true,
  resizeCq: true,
  pollCq: true,
  reqNotifyCq: true,
  createQp: true,
  modifyQp: true,
  queryQp: true,
  destroyQp: true,
  postSend: true,
  postRecv: true,
  createSrq: true,
  modifySrq: true,
  querySrq: true,
  destroySrq: true,
  postSrqRecv: true,
  createAh: true,
  queryAh: true,
  destroyAh: true,
  attachMcast: true,
  detachMcast: true,
};
export const OP_NAMES = Object.keys(EVERY_OP) as readonly OpName[];

/** The mandatory verbs that a driver with these ops lacks. */
export function missingMandatory(has: (op: OpName) => boolean): string[] {
  return VERBS.filter((v) => v.owed === 'mandatory' && !v.ops.every(has)).map((v) => v.name);
}

/** The verbs owed with the capabilities claimed that a driver with these ops lacks, each with the claim it is owed for. */
export function missingOwed(claimed: ReadonlySet<Capability>, has: (op: OpName) => boolean): string[] {
  return VERBS.flatMap((v) => {
    if (typeof v.owed === 'string' || v.ops.every(has)) return [];
    const claim = v.owed.find((capability) => claimed.has(capability));
    return claim === undefined ? [] : [`${v.name} (owed with ${claim})`];
  });
}

/** What the device's attributes and QP types claim, and so need not be listed. */
export function impliedCapabilities(attr: DeviceAttributes, qpTypes: readonly number[]): Capability[] {
  const flags = attr.deviceCapFlags;
  const claims: [Capability, boolean][] = [
    ['srq', attr.maxSrq > 0 || (flags & DeviceCap.SRQ_RESIZE) !== 0],
    ['mw-type-1', (flags & DeviceCap.MEM_WINDOW) !== 0],
    ['mw-type-2', (flags & (DeviceCap.MEM_WINDOW_TYPE_2A | DeviceCap.MEM_WINDOW_TYPE_2B)) !== 0],
    ['ud-multicast', attr.maxMcastGrp > 0],
    ['ah', attr.maxAh > 0 || qpTypes.includes(QpType.UD) || qpTypes.includes(QpType.GSI)],
    ['raw-packet', qpTypes.includes(QpType.RAW_PACKET)],
  ];
  return claims.filter(([, claimed]) => claimed).map(([capability]) => capability);
}
