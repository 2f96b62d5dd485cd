// Connections: listening, connecting, answering, ending.
import type { AcceptParam } from '../cm/rdma/id.ts';
import { QpState } from '../core/constants.ts';
import { refuse } from '../uverbs/errno.ts';
import { RejReason } from '../wire/cm-refuse.ts';
import { type Command, command, type UcmaCall } from './call.ts';
import { putAhAttr } from './events.ts';
import { Command as Cmd } from './ids.ts';
import { Accept, Connect, ConnParam, Disconnect, InitQpAttr, Listen, Notify, QpAttr, Reject } from './layout.ts';

/** `IB_EVENT_COMM_EST` */
const COMM_EST = 4;
/** `IB_CM_REJ_VENDOR_OPTION_NOT_SUPPORTED` */
const VENDOR_OPTION_NOT_SUPPORTED = 35;

/** struct rdma_ucm_conn_param at `at`. */
function paramAt(call: UcmaCall, at: number): AcceptParam {
  const { request } = call;
  const data = at + ConnParam.privateData;
  return {
    qpn: call.u32(at + ConnParam.qpNum) & 0xffffff,
    privateData: request.subarray(data, data + call.u8(at + ConnParam.privateDataLen)),
    responderResources: call.u8(at + ConnParam.responderResources),
    initiatorDepth: call.u8(at + ConnParam.initiatorDepth),
    flowControl: call.u8(at + ConnParam.flowControl) === 0 ? 0 : 1,
    retryCount: call.u8(at + ConnParam.retryCount),
    rnrRetryCount: call.u8(at + ConnParam.rnrRetryCount),
    srq: call.u8(at + ConnParam.srq) !== 0,
  };
}

function initQpAttr(call: UcmaCall): void {
  const state = call.u32(InitQpAttr.qpState);
  if (state > QpState.ERR) refuse('EINVAL', `queue pair state ${state}`);
  const { attr, mask } = call.id(InitQpAttr.id).initQpAttr(state);
  const response = Buffer.alloc(QpAttr.size);
  response.writeUInt32LE(mask, QpAttr.qpAttrMask);
  response.writeUInt32LE(state, QpAttr.qpState);
  response.writeUInt32LE(attr.pathMtu ?? 0, QpAttr.pathMtu);
  response.writeUInt32LE(attr.qkey ?? 0, QpAttr.qkey);
  response.writeUInt32LE(attr.rqPsn ?? 0, QpAttr.rqPsn);
  response.writeUInt32LE(attr.sqPsn ?? 0, QpAttr.sqPsn);
  response.writeUInt32LE(attr.destQpn ?? 0, QpAttr.destQpNum);
  response.writeUInt32LE(attr.accessFlags ?? 0, QpAttr.qpAccessFlags);
  response.writeUInt16LE(attr.pkeyIndex ?? 0, QpAttr.pkeyIndex);
  response[QpAttr.maxRdAtomic] = attr.maxRdAtomic ?? 0;
  response[QpAttr.maxDestRdAtomic] = attr.maxDestRdAtomic ?? 0;
  response[QpAttr.minRnrTimer] = attr.minRnrTimer ?? 0;
  response[QpAttr.portNum] = attr.port ?? 0;
  response[QpAttr.timeout] = attr.timeout ?? 0;
  response[QpAttr.retryCnt] = attr.retryCnt ?? 0;
  response[QpAttr.rnrRetry] = attr.rnrRetry ?? 0;
  if (attr.av) putAhAttr(response, QpAttr.ahAttr, attr.av);
  call.answer(InitQpAttr.response, response);
}

function reject(call: UcmaCall): void {
  const reason = call.u8(Reject.reason) || RejReason.CONSUMER_DEFINED;
  if (reason !== RejReason.CONSUMER_DEFINED && reason !== VENDOR_OPTION_NOT_SUPPORTED) {
    refuse('EINVAL', `reason ${reason} is not a program's to give`);
  }
  const data = call.request.subarray(Reject.privateData, Reject.privateData + call.u8(Reject.privateDataLen));
  call.id(Reject.id).reject(data, reason);
}

export const connectCommands: readonly Command[] = [
  command(Cmd.LISTEN, Listen.size, 0, (call) => {
    call.id(Listen.id).listen(call.request.readInt32LE(Listen.backlog));
  }),
  {
    id: Cmd.CONNECT,
    min: Connect.reserved,
    size: Connect.size,
    room: 0,
    run: (call) => {
      if (call.u8(Connect.connParam + ConnParam.valid) === 0) refuse('EINVAL', 'no parameters');
      call.id(Connect.id).connect(paramAt(call, Connect.connParam));
    },
  },
  {
    id: Cmd.ACCEPT,
    min: Accept.reserved,
    size: Accept.size,
    room: 0,
    run: (call) => {
      const context = call.context(Accept.id);
      // Without parameters: the other side has accepted, and the queue pair is ready.
      if (call.u8(Accept.connParam + ConnParam.valid) === 0) return context.cmId!.establish();
      context.cmId!.accept(paramAt(call, Accept.connParam));
      context.uid = call.uid(Accept.uid);
    },
  },
  command(Cmd.REJECT, Reject.size, 0, reject),
  command(Cmd.DISCONNECT, Disconnect.size, 0, (call) => {
    call.id(Disconnect.id).disconnect();
  }),
  command(Cmd.NOTIFY, Notify.size, 0, (call) => {
    const event = call.u32(Notify.event);
    if (event !== COMM_EST) refuse('EINVAL', `event ${event}`);
    call.id(Notify.id).notifyEstablished();
  }),
  command(Cmd.INIT_QP_ATTR, InitQpAttr.size, QpAttr.size, initQpAttr),
];
