// Queue pairs.
import { copyAv, sharedAv } from './av.ts';
import { checkInteger, checkLive, fail } from './check.ts';
import { nameOf, QpAttrMask, QpState, QpType } from './constants.ts';
import type { Context } from './context.ts';
import type { CompletionQueue } from './cq.ts';
import type { ProtectionDomain } from './pd.ts';
import type { QpAttr, QpCap, QpInit, QueuePair } from './qp.ts';
import { checkAttr } from './qp-attr.ts';
import { checkTransition } from './qp-state.ts';
import type { SharedReceiveQueue } from './srq.ts';
import { adopt, checkRoom, destroyObject } from './tracking.ts';

/** `struct ibv_qp_init_attr` */
export interface CreateQpOptions {
  /** `QpType` */
  readonly type: number;
  readonly sendCq: CompletionQueue;
  readonly recvCq: CompletionQueue;
  readonly srq?: SharedReceiveQueue | null;
  readonly cap: QpCap;
  readonly sqSigAll?: boolean;
}

const QP_TYPES: readonly number[] = Object.values(QpType);

/** `ibv_create_qp`: the queue pair is in RESET (C10-20), and its `cap` says what it really has room for. */
export function createQp(pd: ProtectionDomain, options: CreateQpOptions): QueuePair {
  const verb = 'createQp';
  checkLive(verb, 'pd', 'pd', pd);
  const { context } = pd;
  context.device.require(verb);
  const { sendCq, recvCq, type } = options;
  const srq = options.srq ?? null;
  checkType(context, type);
  checkLive(verb, 'sendCq', 'cq', sendCq, context);
  checkLive(verb, 'recvCq', 'cq', recvCq, context);
  if (srq !== null) {
    checkLive(verb, 'srq', 'srq', srq, context);
    // As ibv_create_qp(3) has it.
    if (type !== QpType.RC && type !== QpType.UD) fail(verb, 'EINVAL', 'srq is allowed for RC and UD queue pairs only');
  }
  checkRoom(verb, context, 'qp');
  const cap = checkCap(context, options.cap, srq !== null);
  const init: QpInit = { pd, type, sendCq, recvCq, srq, cap, sqSigAll: options.sqSigAll === true };
  return adopt(context.device.ops.createQp(init));
}

/** `ibv_modify_qp`: sets what `mask` (bits of `QpAttrMask`) names. */
export function modifyQp(qp: QueuePair, attr: Partial<QpAttr>, mask: number): void {
  const verb = 'modifyQp';
  checkLive(verb, 'qp', 'qp', qp);
  checkInteger(verb, 'mask', mask, 0, 0x7fffffff);
  const fault = checkAttr(qp, attr, mask);
  if (fault !== null) fail(verb, fault.code, fault.message);
  const from = qp.state;
  if (mask & QpAttrMask.CUR_STATE && attr.curState !== from) {
    fail(
      verb,
      'EINVAL',
      `curState is ${nameOf(QpState, attr.curState!)}, and the queue pair is in ${nameOf(QpState, from)}`,
    );
  }
  const to = mask & QpAttrMask.STATE ? attr.state! : from;
  const refusal = checkTransition(qp.type, from, to, mask);
  if (refusal !== null) fail(verb, 'EINVAL', refusal);
  // The driver may keep the address vector: a copy, because the caller may use its object, and its bytes, again.
  const own = mask & QpAttrMask.AV ? { ...attr, av: sharedAv(attr.av!) } : attr;
  qp.context.device.ops.modifyQp(qp, own, mask);
}

/** `ibv_query_qp`; what was given at creation is in the queue pair itself. */
export function queryQp(qp: QueuePair): QpAttr {
  checkLive('queryQp', 'qp', 'qp', qp);
  const attr = qp.context.device.ops.queryQp(qp);
  // Others may share it, and whoever asks may change what it gets.
  return attr.av === null ? attr : { ...attr, av: copyAv(attr.av) };
}

/** `ibv_destroy_qp`: EBUSY while it is in multicast groups (o10-2.2.3). Returns the asynchronous events it has had. */
export function destroyQp(qp: QueuePair): number {
  checkLive('destroyQp', 'qp', 'qp', qp);
  destroyObject('destroyQp', qp, () => qp.context.device.ops.destroyQp(qp));
  return qp.asyncReported;
}

function checkType(context: Context, type: number): void {
  const verb = 'createQp';
  const { device, rights, owner } = context;
  if (!QP_TYPES.includes(type)) fail(verb, 'EINVAL', `type is ${type}, which is no queue pair type`);
  if (!device.qpTypes.includes(type)) {
    fail(verb, 'EOPNOTSUPP', `device ${device.name} has no queue pairs of type ${nameOf(QpType, type)}`);
  }
  if (type === QpType.RAW_PACKET && !rights.netRaw) {
    fail(verb, 'EPERM', `${owner} lacks CAP_NET_RAW, which type RAW_PACKET needs`);
  }
  if (type !== QpType.SMI && type !== QpType.GSI) return;
  if (rights.management !== true) {
    fail(verb, 'EPERM', `type ${nameOf(QpType, type)} is for the host's management agent, which ${owner} is not`);
  }
  for (const other of device.contexts) {
    for (const qp of other.handles.ofKind('qp')) {
      if (qp.type === type) fail(verb, 'EBUSY', `${other.owner} has the port's ${nameOf(QpType, type)} queue pair`);
    }
  }
}

function checkCap(context: Context, cap: QpCap, hasSrq: boolean): QpCap {
  const verb = 'createQp';
  const most = context.device.attributes;
  checkInteger(verb, 'cap.maxSendWr', cap.maxSendWr, 0, most.maxQpWr);
  checkInteger(verb, 'cap.maxSendSge', cap.maxSendSge, 0, most.maxSge);
  checkInteger(verb, 'cap.maxInlineData', cap.maxInlineData, 0, most.maxInlineData);
  // With a shared receive queue these mean nothing.
  if (hasSrq) return { ...cap, maxRecvWr: 0, maxRecvSge: 0 };
  checkInteger(verb, 'cap.maxRecvWr', cap.maxRecvWr, 0, most.maxQpWr);
  checkInteger(verb, 'cap.maxRecvSge', cap.maxRecvSge, 0, most.maxSge);
  return { ...cap };
}
