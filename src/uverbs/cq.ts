// Completion channels and completion queues.
import type { CompletionChannel, CompletionQueue } from '../core/cq.ts';
import { createCq, destroyCq, reqNotifyCq, resizeCq } from '../core/verbs-cq.ts';
import type { DriverData } from './attributes.ts';
import { NUM_COMP_VECTORS } from './context.ts';
import { refuse } from './errno.ts';
import type { EventOwner, EventStream } from './event-stream.ts';
import type { UverbsFile } from './file.ts';
import { Command as Cmd, CqMethod, EXTENDED, ExCommand, UObject } from './ids.ts';
import {
  CreateCompChannel,
  CreateCompChannelResp,
  CreateCq,
  CreateCqResp,
  DestroyCq,
  DestroyCqResp,
  ExCreateCq,
  ExCreateCqResp,
  ReqNotifyCq,
  ResizeCq,
  ResizeCqResp,
} from './layout.ts';
import {
  type Command,
  command,
  exCommand,
  flagsIn,
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

/** IB_UVERBS_CQ_FLAGS_TIMESTAMP_COMPLETION, IB_UVERBS_CQ_FLAGS_IGNORE_OVERRUN */
const KNOWN_FLAGS = 3;

interface Wish {
  readonly cqe: number;
  readonly vector: number;
  readonly channel: CompletionChannel | null;
  readonly flags: number;
  readonly userLo: number;
  readonly userHi: number;
  readonly async: EventStream | null;
}

function make(file: UverbsFile, driver: DriverData, wish: Wish): CompletionQueue {
  const { abi } = file.device;
  if (wish.vector >= NUM_COMP_VECTORS) refuse('EINVAL', `comp_vector ${wish.vector}; there is ${NUM_COMP_VECTORS}`);
  if (driver.room < abi.answerBytes.createCq) refuse('EINVAL', "no room for the driver's answer");
  if ((wish.flags & ~KNOWN_FLAGS) !== 0) refuse('EINVAL', `flags 0x${wish.flags.toString(16)}`);
  // rxe_create_cq
  if (wish.flags !== 0) refuse('EOPNOTSUPP', 'neither time stamps nor ignored overruns');
  const cq = file.queues.attempt(() => createCq(file.context, wish.cqe, wish.channel));
  file.events.register(cq, wish.userLo, wish.userHi, wish.async);
  return cq;
}

function destroy(file: UverbsFile, cq: CompletionQueue): EventOwner {
  const queues = file.device.abi.queuesOf(cq);
  destroyCq(cq);
  for (const queue of queues) file.queues.free(queue);
  return file.events.release(cq);
}

function destroyed(owner: EventOwner): Buffer {
  const answer = Buffer.alloc(DestroyCqResp.size);
  answer.writeUInt32LE(owner.completions, DestroyCqResp.compEventsReported);
  answer.writeUInt32LE(owner.asyncs, DestroyCqResp.asyncEventsReported);
  return answer;
}

function channelOf(call: WriteCall, at: number): CompletionChannel | null {
  const fd = call.request.readInt32LE(at);
  return fd < 0 ? null : call.file.events.channelOf(call.caller, fd);
}

function create(call: WriteCall, wish: Wish, extended: boolean): void {
  const { file, driver } = call;
  const cq = make(file, driver, wish);
  const answer = Buffer.alloc(extended ? ExCreateCqResp.size : CreateCqResp.size);
  answer.writeUInt32LE(cq.handle, CreateCqResp.cqHandle);
  answer.writeUInt32LE(cq.cqe, CreateCqResp.cqe);
  if (extended) answer.writeUInt32LE(call.responseLength(ExCreateCqResp.size), ExCreateCqResp.responseLength);
  const tell = (): void => {
    driver.answer(file.device.abi.createCq(cq, file.queues.mapOf));
    call.answer(answer);
  };
  file.tellOr(() => destroy(file, cq), tell);
}

export const cqCommands: readonly Command[] = [
  command(Cmd.CREATE_COMP_CHANNEL, CreateCompChannel.size, CreateCompChannelResp.size, (call) => {
    const { file, caller } = call;
    const { context } = file;
    const answer = Buffer.alloc(CreateCompChannelResp.size);
    // What cannot be taken back, the program's new descriptor, comes after what can fail.
    call.answer(answer);
    answer.writeUInt32LE(
      file.events.newChannel(context, (fd) => caller.installFd(fd)),
      CreateCompChannelResp.fd,
    );
    call.answer(answer);
  }),
  command(Cmd.CREATE_CQ, CreateCq.size, CreateCqResp.size, (call) => {
    const wish = {
      cqe: call.u32(CreateCq.cqe),
      vector: call.u32(CreateCq.compVector),
      channel: channelOf(call, CreateCq.compChannel),
      flags: 0,
      userLo: call.u32(CreateCq.userHandle),
      userHi: call.u32(CreateCq.userHandle + 4),
      async: null,
    };
    create(call, wish, false);
  }),
  exCommand(
    EXTENDED | ExCommand.CREATE_CQ,
    ExCreateCq.reserved,
    ExCreateCq.size,
    ExCreateCqResp.responseLength + 4,
    (call) => {
      if (call.u32(ExCreateCq.compMask) !== 0 || call.u32(ExCreateCq.reserved) !== 0) {
        refuse('EINVAL', 'comp_mask and reserved are 0');
      }
      const wish = {
        cqe: call.u32(ExCreateCq.cqe),
        vector: call.u32(ExCreateCq.compVector),
        channel: channelOf(call, ExCreateCq.compChannel),
        flags: call.u32(ExCreateCq.flags),
        userLo: call.u32(ExCreateCq.userHandle),
        userHi: call.u32(ExCreateCq.userHandle + 4),
        async: null,
      };
      create(call, wish, true);
    },
  ),
  command(Cmd.RESIZE_CQ, ResizeCq.size, ResizeCqResp.size, (call) => {
    const { file, driver } = call;
    const { abi } = file.device;
    if (driver.room < abi.answerBytes.resizeCq) refuse('EINVAL', "no room for the driver's answer");
    const cq = file.find('cq', call.u32(ResizeCq.cqHandle));
    const before = abi.queuesOf(cq);
    file.queues.attempt(() => resizeCq(cq, call.u32(ResizeCq.cqe)));
    for (const queue of before) if (!abi.queuesOf(cq).includes(queue)) file.queues.free(queue);
    const answer = Buffer.alloc(ResizeCqResp.size);
    answer.writeUInt32LE(cq.cqe, ResizeCqResp.cqe);
    driver.answer(abi.resizeCq(cq, file.queues.mapOf));
    call.answer(answer);
  }),
  command(Cmd.REQ_NOTIFY_CQ, ReqNotifyCq.size, 0, (call) => {
    const cq = call.file.find('cq', call.u32(ReqNotifyCq.cqHandle));
    // Linux arms a queue that has no channel too, to no effect.
    if (cq.channel !== null) reqNotifyCq(cq, call.u32(ReqNotifyCq.solicitedOnly) !== 0);
  }),
  command(Cmd.DESTROY_CQ, DestroyCq.size, DestroyCqResp.size, (call) => {
    call.answer(destroyed(destroy(call.file, call.file.lookup('cq', call.u32(DestroyCq.cqHandle)))));
  }),
];

const NEW = { HANDLE: 0, CQE: 1, USER_HANDLE: 2, CHANNEL: 3, VECTOR: 4, FLAGS: 5, RESP_CQE: 6, EVENT_FD: 7 } as const;
const HANDLE = 0;
const RESP = 1;

export const cqMethods: readonly Method[] = [
  {
    object: UObject.CQ,
    id: CqMethod.CREATE,
    attrs: [
      reference(NEW.HANDLE),
      u32In(NEW.CQE),
      u64In(NEW.USER_HANDLE),
      optional(reference(NEW.CHANNEL)),
      u32In(NEW.VECTOR),
      flagsIn(NEW.FLAGS),
      u32Out(NEW.RESP_CQE),
      optional(reference(NEW.EVENT_FD)),
      ...UHW,
    ],
    run: (attrs) => {
      const { file, caller } = attrs;
      const user = attrs.bytes(NEW.USER_HANDLE);
      const cq = make(file, attrs, {
        cqe: attrs.u32(NEW.CQE),
        vector: attrs.u32(NEW.VECTOR),
        channel: attrs.has(NEW.CHANNEL) ? file.events.channelOf(caller, attrs.fd(NEW.CHANNEL)) : null,
        flags: attrs.flags(NEW.FLAGS, KNOWN_FLAGS),
        userLo: user.readUInt32LE(0),
        userHi: user.readUInt32LE(4),
        async: attrs.has(NEW.EVENT_FD) ? file.events.asyncOf(caller, attrs.fd(NEW.EVENT_FD)) : null,
      });
      const tell = (): void => {
        attrs.putReference(NEW.HANDLE, cq.handle);
        attrs.putU32(NEW.RESP_CQE, cq.cqe);
        attrs.answer(file.device.abi.createCq(cq, file.queues.mapOf));
      };
      file.tellOr(() => destroy(file, cq), tell);
    },
  },
  {
    object: UObject.CQ,
    id: CqMethod.DESTROY,
    attrs: [reference(HANDLE), structOut(RESP, DestroyCqResp.size, DestroyCqResp.size)],
    run: (attrs) => attrs.put(RESP, destroyed(destroy(attrs.file, attrs.object(HANDLE, 'cq')))),
  },
];
