// Contexts: making one, asking about it, its asynchronous events.
import { refuse } from './errno.ts';
import { ASYNC_EVENT_ALLOC, Command as Cmd, CORE_SUPPORT, DeviceMethod, UObject } from './ids.ts';
import { GetContext, GetContextResp } from './layout.ts';
import {
  bytesOut,
  type Command,
  command,
  constIn,
  type Method,
  optional,
  reference,
  UHW,
  u32Out,
  u64Out,
} from './spec.ts';

export const NUM_COMP_VECTORS = 1;

const KINDS = {
  [UObject.PD]: 'pd',
  [UObject.COMP_CHANNEL]: 'comp_channel',
  [UObject.CQ]: 'cq',
  [UObject.QP]: 'qp',
  [UObject.SRQ]: 'srq',
  [UObject.AH]: 'ah',
  [UObject.MR]: 'mr',
  [UObject.MW]: 'mw',
} as const;

export const contextCommands: readonly Command[] = [
  command(Cmd.GET_CONTEXT, GetContext.size, GetContextResp.size, (call) => {
    const { file, caller } = call;
    file.openContext(caller);
    const answer = Buffer.alloc(GetContextResp.size);
    answer.writeUInt32LE(NUM_COMP_VECTORS, GetContextResp.numCompVectors);
    const tell = (): void => {
      // What cannot be taken back, the program's new descriptor, comes after what can fail.
      call.answer(answer);
      const fd = file.events.newAsync((end) => caller.installFd(end));
      answer.writeUInt32LE(fd, GetContextResp.asyncFd);
      call.answer(answer);
    };
    file.tellOr(() => file.dropContext(), tell);
  }),
];

const VECTORS = 0;
const SUPPORT = 1;
const OBJECT_ID = 0;
const TOTAL = 1;
const LIST = 2;
const ASYNC_FD = 0;

export const contextMethods: readonly Method[] = [
  {
    object: UObject.DEVICE,
    id: DeviceMethod.GET_CONTEXT,
    attrs: [optional(u32Out(VECTORS)), optional(u64Out(SUPPORT)), ...UHW],
    run: (attrs) => {
      attrs.putU32(VECTORS, NUM_COMP_VECTORS);
      attrs.putU64(SUPPORT, CORE_SUPPORT);
      attrs.file.openContext(attrs.caller);
    },
  },
  {
    object: UObject.DEVICE,
    id: DeviceMethod.QUERY_CONTEXT,
    attrs: [optional(u32Out(VECTORS)), optional(u64Out(SUPPORT))],
    run: (attrs) => {
      attrs.file.requireContext();
      attrs.putU32(VECTORS, NUM_COMP_VECTORS);
      attrs.putU64(SUPPORT, CORE_SUPPORT);
    },
  },
  {
    object: UObject.DEVICE,
    id: DeviceMethod.INFO_HANDLES,
    attrs: [constIn(OBJECT_ID), optional(u32Out(TOTAL)), optional(bytesOut(LIST, 4))],
    run: (attrs) => {
      const room = attrs.roomOf(LIST);
      if (room === 0 || room % 4 !== 0) refuse('EINVAL', `room for ${room} bytes of handles`);
      const kind = KINDS[attrs.constant(OBJECT_ID, 0xffff) as keyof typeof KINDS];
      if (kind === undefined) refuse('EINVAL', 'there are no such objects');
      const handles = attrs.file.context.handles.ofKind(kind).slice(0, room / 4);
      const bytes = Buffer.alloc(handles.length * 4);
      for (let i = 0; i < handles.length; i++) bytes.writeUInt32LE(handles[i].handle, i * 4);
      attrs.put(LIST, bytes);
      attrs.putU32(TOTAL, handles.length);
    },
  },
  {
    object: UObject.ASYNC_EVENT,
    id: ASYNC_EVENT_ALLOC,
    attrs: [reference(ASYNC_FD)],
    run: (attrs) => {
      attrs.file.requireContext();
      attrs.putReference(ASYNC_FD, 0);
      attrs.putReference(
        ASYNC_FD,
        attrs.file.events.newAsync((fd) => attrs.caller.installFd(fd)),
      );
    },
  },
];
