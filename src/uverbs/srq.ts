// Shared receive queues.
import { SrqAttrMask } from '../core/constants.ts';
import type { ProtectionDomain } from '../core/pd.ts';
import type { SharedReceiveQueue } from '../core/srq.ts';
import { createSrq, destroySrq, modifySrq, querySrq } from '../core/verbs-srq.ts';
import type { DriverData } from './attributes.ts';
import { refuse } from './errno.ts';
import type { EventStream } from './event-stream.ts';
import type { UverbsFile } from './file.ts';
import { Command as Cmd, SrqMethod, UObject } from './ids.ts';
import {
  CreateSrq,
  CreateSrqResp,
  CreateXsrq,
  DestroySrq,
  DestroySrqResp,
  ModifySrq,
  QuerySrq,
  QuerySrqResp,
} from './layout.ts';
import {
  type Command,
  command,
  constIn,
  type Method,
  optional,
  reference,
  structOut,
  UHW,
  u32In,
  u32Out,
  u64In,
} from './spec.ts';
import type { WriteCall } from './write-call.ts';

/** enum ib_uverbs_srq_type: BASIC, XRC, TM */
const BASIC = 0;
const LAST_TYPE = 2;

interface Wish {
  readonly pd: ProtectionDomain;
  readonly maxWr: number;
  readonly maxSge: number;
  readonly userLo: number;
  readonly userHi: number;
  readonly async: EventStream | null;
}

function make(file: UverbsFile, driver: DriverData, wish: Wish): SharedReceiveQueue {
  if (driver.room < file.device.abi.answerBytes.createSrq) refuse('EINVAL', "no room for the driver's answer");
  const attr = { maxWr: wish.maxWr, maxSge: wish.maxSge, limit: 0 };
  const srq = file.queues.attempt(() => createSrq(wish.pd, attr));
  file.events.register(srq, wish.userLo, wish.userHi, wish.async);
  return srq;
}

/** Returns the asynchronous events that its program has read. */
function destroy(file: UverbsFile, srq: SharedReceiveQueue): number {
  const queues = file.device.abi.queuesOf(srq);
  destroySrq(srq);
  for (const queue of queues) file.queues.free(queue);
  return file.events.release(srq).asyncs;
}

function destroyed(events: number): Buffer {
  const answer = Buffer.alloc(DestroySrqResp.size);
  answer.writeUInt32LE(events, DestroySrqResp.eventsReported);
  return answer;
}

function create(call: WriteCall, wish: Wish): void {
  const { file, driver } = call;
  const srq = make(file, driver, wish);
  const answer = Buffer.alloc(CreateSrqResp.size);
  answer.writeUInt32LE(srq.handle, CreateSrqResp.srqHandle);
  answer.writeUInt32LE(srq.attr.maxWr, CreateSrqResp.maxWr);
  answer.writeUInt32LE(srq.attr.maxSge, CreateSrqResp.maxSge);
  const tell = (): void => {
    driver.answer(file.device.abi.createSrq(srq, file.queues.mapOf));
    call.answer(answer);
  };
  file.tellOr(() => destroy(file, srq), tell);
}

function checkType(type: number): void {
  if (type > LAST_TYPE) refuse('EINVAL', `srq_type ${type}`);
  if (type !== BASIC) refuse('EOPNOTSUPP', 'neither XRC nor tag matching');
}

function modify(call: WriteCall): void {
  const { file, driver } = call;
  const { abi } = file.device;
  const srq = file.find('srq', call.u32(ModifySrq.srqHandle));
  const mask = call.u32(ModifySrq.attrMask);
  const resize = (mask & SrqAttrMask.MAX_WR) !== 0;
  const answerAt = resize ? abi.modifySrqAnswerAt(driver.input) : 0;
  // The answer goes to a place of its own in the program: better to know before that it is there.
  const now = abi.modifySrq(srq, file.queues.mapOf);
  if (resize) driver.copyOut(answerAt, now, now.length);
  const before = abi.queuesOf(srq);
  const attr = { maxWr: call.u32(ModifySrq.maxWr), limit: call.u32(ModifySrq.srqLimit) };
  file.queues.attempt(() => modifySrq(srq, attr, mask));
  for (const queue of before) if (!abi.queuesOf(srq).includes(queue)) file.queues.free(queue);
  if (!resize) return;
  const answer = abi.modifySrq(srq, file.queues.mapOf);
  driver.copyOut(answerAt, answer, answer.length);
}

export const srqCommands: readonly Command[] = [
  command(Cmd.CREATE_SRQ, CreateSrq.size, CreateSrqResp.size, (call) => {
    create(call, {
      pd: call.file.find('pd', call.u32(CreateSrq.pdHandle)),
      maxWr: call.u32(CreateSrq.maxWr),
      maxSge: call.u32(CreateSrq.maxSge),
      userLo: call.u32(CreateSrq.userHandle),
      userHi: call.u32(CreateSrq.userHandle + 4),
      async: null,
    });
  }),
  command(Cmd.CREATE_XSRQ, CreateXsrq.size, CreateSrqResp.size, (call) => {
    checkType(call.u32(CreateXsrq.srqType));
    create(call, {
      pd: call.file.find('pd', call.u32(CreateXsrq.pdHandle)),
      maxWr: call.u32(CreateXsrq.maxWr),
      maxSge: call.u32(CreateXsrq.maxSge),
      userLo: call.u32(CreateXsrq.userHandle),
      userHi: call.u32(CreateXsrq.userHandle + 4),
      async: null,
    });
  }),
  command(Cmd.MODIFY_SRQ, ModifySrq.size, 0, modify),
  command(Cmd.QUERY_SRQ, QuerySrq.size, QuerySrqResp.size, (call) => {
    const { maxWr, maxSge, limit } = querySrq(call.file.find('srq', call.u32(QuerySrq.srqHandle)));
    const answer = Buffer.alloc(QuerySrqResp.size);
    answer.writeUInt32LE(maxWr, QuerySrqResp.maxWr);
    answer.writeUInt32LE(maxSge, QuerySrqResp.maxSge);
    answer.writeUInt32LE(limit, QuerySrqResp.srqLimit);
    call.answer(answer);
  }),
  command(Cmd.DESTROY_SRQ, DestroySrq.size, DestroySrqResp.size, (call) => {
    call.answer(destroyed(destroy(call.file, call.file.lookup('srq', call.u32(DestroySrq.srqHandle)))));
  }),
];

const NEW = {
  HANDLE: 0,
  PD: 1,
  XRCD: 2,
  CQ: 3,
  USER_HANDLE: 4,
  MAX_WR: 5,
  MAX_SGE: 6,
  LIMIT: 7,
  MAX_NUM_TAGS: 8,
  TYPE: 9,
  EVENT_FD: 10,
  RESP_MAX_WR: 11,
  RESP_MAX_SGE: 12,
  RESP_SRQ_NUM: 13,
} as const;
const HANDLE = 0;
const RESP = 1;

export const srqMethods: readonly Method[] = [
  {
    object: UObject.SRQ,
    id: SrqMethod.CREATE,
    attrs: [
      reference(NEW.HANDLE),
      reference(NEW.PD),
      optional(reference(NEW.XRCD)),
      optional(reference(NEW.CQ)),
      u64In(NEW.USER_HANDLE),
      u32In(NEW.MAX_WR),
      u32In(NEW.MAX_SGE),
      u32In(NEW.LIMIT),
      optional(u32In(NEW.MAX_NUM_TAGS)),
      constIn(NEW.TYPE),
      optional(reference(NEW.EVENT_FD)),
      u32Out(NEW.RESP_MAX_WR),
      u32Out(NEW.RESP_MAX_SGE),
      optional(u32Out(NEW.RESP_SRQ_NUM)),
      ...UHW,
    ],
    run: (attrs) => {
      const { file, caller } = attrs;
      checkType(attrs.constant(NEW.TYPE, 0xff));
      const user = attrs.bytes(NEW.USER_HANDLE);
      const srq = make(file, attrs, {
        pd: attrs.object(NEW.PD, 'pd'),
        maxWr: attrs.u32(NEW.MAX_WR),
        maxSge: attrs.u32(NEW.MAX_SGE),
        userLo: user.readUInt32LE(0),
        userHi: user.readUInt32LE(4),
        async: attrs.has(NEW.EVENT_FD) ? file.events.asyncOf(caller, attrs.fd(NEW.EVENT_FD)) : null,
      });
      const tell = (): void => {
        attrs.putReference(NEW.HANDLE, srq.handle);
        attrs.putU32(NEW.RESP_MAX_WR, srq.attr.maxWr);
        attrs.putU32(NEW.RESP_MAX_SGE, srq.attr.maxSge);
        attrs.answer(file.device.abi.createSrq(srq, file.queues.mapOf));
      };
      file.tellOr(() => destroy(file, srq), tell);
    },
  },
  {
    object: UObject.SRQ,
    id: SrqMethod.DESTROY,
    attrs: [reference(HANDLE), structOut(RESP, DestroySrqResp.size, DestroySrqResp.size)],
    run: (attrs) => attrs.put(RESP, destroyed(destroy(attrs.file, attrs.object(HANDLE, 'srq')))),
  },
];
