// Queue pairs: making them, and letting them go. How they are changed is in qp-attr.ts.
import { QpType } from '../core/constants.ts';
import type { CompletionQueue } from '../core/cq.ts';
import type { ProtectionDomain } from '../core/pd.ts';
import type { QpCap, QueuePair } from '../core/qp.ts';
import type { SharedReceiveQueue } from '../core/srq.ts';
import { createQp, destroyQp } from '../core/verbs-qp.ts';
import type { DriverData } from './attributes.ts';
import type { Caller } from './caller.ts';
import { refuse } from './errno.ts';
import type { EventStream } from './event-stream.ts';
import type { UverbsFile } from './file.ts';
import { Command as Cmd, EXTENDED, ExCommand, QpMethod, UObject } from './ids.ts';
import {
  QpCap as Cap,
  CreateQp,
  CreateQpResp,
  DestroyQp,
  DestroyQpResp,
  ExCreateQp,
  ExCreateQpResp,
  PostSend,
  PostSendResp,
} from './layout.ts';
import {
  type Command,
  command,
  constIn,
  exCommand,
  flagsIn,
  type Method,
  optional,
  reference,
  structIn,
  structOut,
  UHW,
  u32In,
  u32Out,
  u64In,
} from './spec.ts';
import type { WriteCall } from './write-call.ts';

/** Types that Linux knows and rxe refuses: XRC_INI, XRC_TGT, DRIVER. */
const KNOWN_TYPES: readonly number[] = [9, 10, 0xff];
const USER_TYPES: readonly number[] = [QpType.RC, QpType.UC, QpType.UD, QpType.RAW_PACKET];

interface Wish {
  readonly type: number;
  readonly pd: ProtectionDomain;
  readonly sendCq: CompletionQueue;
  readonly recvCq: CompletionQueue;
  readonly srq: SharedReceiveQueue | null;
  readonly cap: QpCap;
  readonly sqSigAll: boolean;
  readonly userLo: number;
  readonly userHi: number;
  readonly async: EventStream | null;
}

function checkType(file: UverbsFile, type: number, caller: Caller): void {
  if (KNOWN_TYPES.includes(type)) refuse('EOPNOTSUPP', `there are no queue pairs of type ${type}`);
  if (!USER_TYPES.includes(type)) refuse('EINVAL', `type ${type} is none for programs`);
  // Linux asks for the right before it asks the device; who lacks both learns here that no right would help.
  const { qpTypes } = file.device.device;
  if (type === QpType.RAW_PACKET && qpTypes.includes(type) && !caller.netRaw) {
    refuse('EPERM', 'raw packets need CAP_NET_RAW');
  }
}

function make(file: UverbsFile, caller: Caller, driver: DriverData, wish: Wish): QueuePair {
  const { abi, errors } = file.device;
  if (driver.room < abi.answerBytes.createQp) refuse('EINVAL', "no room for the driver's answer");
  const qp = file.queues.attempt(() => createQp(wish.pd, wish));
  file.events.register(qp, wish.userLo, wish.userHi, wish.async);
  errors.add(qp);
  file.gate.changed(caller, qp);
  return qp;
}

/** Returns the asynchronous events that its program has read. */
function destroy(file: UverbsFile, caller: Caller, qp: QueuePair): number {
  const { abi, errors } = file.device;
  const queues = abi.queuesOf(qp);
  destroyQp(qp);
  errors.remove(qp);
  file.gate.gone(caller, qp);
  for (const queue of queues) file.queues.free(queue);
  return file.events.release(qp).asyncs;
}

function destroyed(events: number): Buffer {
  const answer = Buffer.alloc(DestroyQpResp.size);
  answer.writeUInt32LE(events, DestroyQpResp.eventsReported);
  return answer;
}

/** `base` is where user_handle stands: EX_CREATE_QP begins with it, CREATE_QP has `response` before it. */
function create(call: WriteCall, base: number, extended: boolean): void {
  const { file, caller, driver } = call;
  const at = (offset: number): number => offset - CreateQp.userHandle + base;
  const type = call.u8(at(CreateQp.qpType));
  checkType(file, type, caller);
  const isSrq = call.u8(at(CreateQp.isSrq)) !== 0;
  const qp = make(file, caller, driver, {
    type,
    pd: file.find('pd', call.u32(at(CreateQp.pdHandle))),
    sendCq: file.find('cq', call.u32(at(CreateQp.sendCqHandle))),
    recvCq: file.find('cq', call.u32(at(CreateQp.recvCqHandle))),
    srq: isSrq ? file.find('srq', call.u32(at(CreateQp.srqHandle))) : null,
    cap: {
      maxSendWr: call.u32(at(CreateQp.maxSendWr)),
      maxRecvWr: call.u32(at(CreateQp.maxRecvWr)),
      maxSendSge: call.u32(at(CreateQp.maxSendSge)),
      maxRecvSge: call.u32(at(CreateQp.maxRecvSge)),
      maxInlineData: call.u32(at(CreateQp.maxInlineData)),
    },
    sqSigAll: call.u8(at(CreateQp.sqSigAll)) !== 0,
    userLo: call.u32(at(CreateQp.userHandle)),
    userHi: call.u32(at(CreateQp.userHandle) + 4),
    async: null,
  });
  const answer = Buffer.alloc(extended ? ExCreateQpResp.size : CreateQpResp.size);
  answer.writeUInt32LE(qp.handle, CreateQpResp.qpHandle);
  answer.writeUInt32LE(qp.qpn, CreateQpResp.qpn);
  capBytes(qp.cap).copy(answer, CreateQpResp.maxSendWr);
  if (extended) answer.writeUInt32LE(call.responseLength(ExCreateQpResp.size), ExCreateQpResp.responseLength);
  const tell = (): void => {
    driver.answer(file.device.abi.createQp(qp, file.queues.mapOf));
    call.answer(answer);
  };
  file.tellOr(() => destroy(file, caller, qp), tell);
}

/** struct ib_uverbs_qp_cap, whose fields stand in the answers in the same order. */
function capBytes(cap: QpCap): Buffer {
  const bytes = Buffer.alloc(Cap.size);
  bytes.writeUInt32LE(cap.maxSendWr, Cap.maxSendWr);
  bytes.writeUInt32LE(cap.maxRecvWr, Cap.maxRecvWr);
  bytes.writeUInt32LE(cap.maxSendSge, Cap.maxSendSge);
  bytes.writeUInt32LE(cap.maxRecvSge, Cap.maxRecvSge);
  bytes.writeUInt32LE(cap.maxInlineData, Cap.maxInlineData);
  return bytes;
}

export const qpCommands: readonly Command[] = [
  command(Cmd.CREATE_QP, CreateQp.size, CreateQpResp.size, (call) => create(call, CreateQp.userHandle, false)),
  exCommand(
    EXTENDED | ExCommand.CREATE_QP,
    ExCreateQp.compMask + 4,
    ExCreateQp.size,
    ExCreateQpResp.responseLength + 4,
    (call) => {
      // IB_UVERBS_CREATE_QP_MASK_IND_TABLE and creation flags are for what rxe has not.
      const compMask = call.u32(ExCreateQp.compMask);
      if (compMask !== 0) refuse(compMask === 1 ? 'EOPNOTSUPP' : 'EINVAL', `comp_mask 0x${compMask.toString(16)}`);
      if (call.u32(ExCreateQp.createFlags) !== 0) refuse('EOPNOTSUPP', 'there are no creation flags');
      create(call, ExCreateQp.userHandle, true);
    },
  ),
  command(Cmd.DESTROY_QP, DestroyQp.size, DestroyQpResp.size, (call) => {
    call.answer(destroyed(destroy(call.file, call.caller, call.file.lookup('qp', call.u32(DestroyQp.qpHandle)))));
  }),
  // What an rxe provider writes as its doorbell: no work requests, for they are in the queue (rxe_post_send of a user's QP).
  command(Cmd.POST_SEND, PostSend.size, PostSendResp.size, (call) => {
    const qp = call.file.find('qp', call.u32(PostSend.qpHandle));
    if (call.u32(PostSend.wrCount) !== 0) refuse('EOPNOTSUPP', 'work requests are posted to the queue itself');
    call.file.device.abi.doorbell(qp);
    call.answer(Buffer.alloc(PostSendResp.size));
  }),
];

const NEW = {
  HANDLE: 0,
  XRCD: 1,
  PD: 2,
  SRQ: 3,
  SEND_CQ: 4,
  RECV_CQ: 5,
  IND_TABLE: 6,
  USER_HANDLE: 7,
  CAP: 8,
  TYPE: 9,
  FLAGS: 10,
  SOURCE_QPN: 11,
  EVENT_FD: 12,
  RESP_CAP: 13,
  RESP_QPN: 14,
} as const;
const HANDLE = 0;
const RESP = 1;
/** IB_UVERBS_QP_CREATE_*: BLOCK_MULTICAST_LOOPBACK, SCATTER_FCS, CVLAN_STRIPPING, PCI_WRITE_END_PADDING, SQ_SIG_ALL */
const SQ_SIG_ALL = 1 << 12;
const KNOWN_FLAGS = (1 << 1) | (1 << 8) | (1 << 9) | (1 << 11) | SQ_SIG_ALL;

export const qpMethods: readonly Method[] = [
  {
    object: UObject.QP,
    id: QpMethod.CREATE,
    attrs: [
      reference(NEW.HANDLE),
      optional(reference(NEW.XRCD)),
      optional(reference(NEW.PD)),
      optional(reference(NEW.SRQ)),
      optional(reference(NEW.SEND_CQ)),
      optional(reference(NEW.RECV_CQ)),
      optional(reference(NEW.IND_TABLE)),
      u64In(NEW.USER_HANDLE),
      structIn(NEW.CAP, Cap.size, Cap.size),
      constIn(NEW.TYPE),
      flagsIn(NEW.FLAGS),
      optional(u32In(NEW.SOURCE_QPN)),
      optional(reference(NEW.EVENT_FD)),
      structOut(NEW.RESP_CAP, Cap.size, Cap.size),
      u32Out(NEW.RESP_QPN),
      ...UHW,
    ],
    run: (attrs) => {
      const { file, caller } = attrs;
      const type = attrs.constant(NEW.TYPE, 0xff);
      checkType(file, type, caller);
      // There are no such objects: as handles of what does not exist.
      if (attrs.has(NEW.XRCD) || attrs.has(NEW.IND_TABLE)) refuse('EINVAL', 'neither XRC nor indirection tables');
      const flags = attrs.flags(NEW.FLAGS, KNOWN_FLAGS);
      if ((flags & ~SQ_SIG_ALL) !== 0 && type !== QpType.UD) refuse('EINVAL', 'creation flags are for UD');
      if ((flags & ~SQ_SIG_ALL) !== 0 || attrs.has(NEW.SOURCE_QPN)) refuse('EOPNOTSUPP', 'there are no creation flags');
      const cap = attrs.bytes(NEW.CAP);
      const user = attrs.bytes(NEW.USER_HANDLE);
      const qp = make(file, caller, attrs, {
        type,
        pd: attrs.object(NEW.PD, 'pd'),
        sendCq: attrs.object(NEW.SEND_CQ, 'cq'),
        recvCq: attrs.object(NEW.RECV_CQ, 'cq'),
        srq: attrs.has(NEW.SRQ) ? attrs.object(NEW.SRQ, 'srq') : null,
        cap: {
          maxSendWr: cap.readUInt32LE(Cap.maxSendWr),
          maxRecvWr: cap.readUInt32LE(Cap.maxRecvWr),
          maxSendSge: cap.readUInt32LE(Cap.maxSendSge),
          maxRecvSge: cap.readUInt32LE(Cap.maxRecvSge),
          maxInlineData: cap.readUInt32LE(Cap.maxInlineData),
        },
        sqSigAll: (flags & SQ_SIG_ALL) !== 0,
        userLo: user.readUInt32LE(0),
        userHi: user.readUInt32LE(4),
        async: attrs.has(NEW.EVENT_FD) ? file.events.asyncOf(caller, attrs.fd(NEW.EVENT_FD)) : null,
      });
      const tell = (): void => {
        attrs.putReference(NEW.HANDLE, qp.handle);
        attrs.putStruct(NEW.RESP_CAP, capBytes(qp.cap));
        attrs.putU32(NEW.RESP_QPN, qp.qpn);
        attrs.answer(file.device.abi.createQp(qp, file.queues.mapOf));
      };
      file.tellOr(() => destroy(file, caller, qp), tell);
    },
  },
  {
    object: UObject.QP,
    id: QpMethod.DESTROY,
    attrs: [reference(HANDLE), structOut(RESP, DestroyQpResp.size, DestroyQpResp.size)],
    run: (attrs) => attrs.put(RESP, destroyed(destroy(attrs.file, attrs.caller, attrs.object(HANDLE, 'qp')))),
  },
];
