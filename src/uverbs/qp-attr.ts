// Queue pairs: modify and query.
import type { AddressVector } from '../core/ah.ts';
import { QpAttrMask as M } from '../core/constants.ts';
import type { QpAttr } from '../core/qp.ts';
import { modifyQp, queryQp } from '../core/verbs-qp.ts';
import { refuse } from './errno.ts';
import { Command as Cmd, EXTENDED, ExCommand } from './ids.ts';
import { ExModifyQp, ExModifyQpResp, QpDest, QueryQp, QueryQpResp as R, ModifyQp as Req } from './layout.ts';
import { type Command, command, exCommand } from './spec.ts';
import type { WriteCall } from './write-call.ts';

/** IB_QP_ATTR_STANDARD_BITS */
const STANDARD_BITS = 0x1fffff;

/** struct ib_uverbs_qp_dest at `at`. */
function destination(request: Buffer, at: number): AddressVector {
  // rdma_check_ah_attr: RoCE has no addresses but GIDs.
  if (request[at + QpDest.isGlobal] === 0) refuse('EINVAL', 'is_global is 0; RoCE needs a global route');
  return {
    dgid: Uint8Array.from(request.subarray(at + QpDest.dgid, at + QpDest.dgid + 16)),
    sgidIndex: request[at + QpDest.sgidIndex],
    trafficClass: request[at + QpDest.trafficClass],
    hopLimit: request[at + QpDest.hopLimit],
    flowLabel: request.readUInt32LE(at + QpDest.flowLabel) & 0xfffff,
    port: request[at + QpDest.portNum],
    sl: request[at + QpDest.sl],
    dlid: request.readUInt16LE(at + QpDest.dlid),
  };
}

function modify(call: WriteCall): void {
  const { request } = call;
  const mask = call.u32(Req.attrMask);
  // A rate limit among them: rxe_modify_qp knows the standard attributes only.
  if ((mask & ~STANDARD_BITS) !== 0) refuse('EOPNOTSUPP', `attributes 0x${mask.toString(16)}`);
  const qp = call.file.find('qp', call.u32(Req.qpHandle));
  const attr: Partial<QpAttr> = {
    state: call.u8(Req.qpState),
    curState: call.u8(Req.curQpState),
    enSqdAsyncNotify: call.u8(Req.enSqdAsyncNotify) !== 0,
    accessFlags: call.u32(Req.qpAccessFlags),
    pkeyIndex: call.u16(Req.pkeyIndex),
    port: call.u8(Req.portNum),
    qkey: call.u32(Req.qkey),
    pathMtu: call.u8(Req.pathMtu),
    timeout: call.u8(Req.timeout),
    retryCnt: call.u8(Req.retryCnt),
    rnrRetry: call.u8(Req.rnrRetry),
    rqPsn: call.u32(Req.rqPsn) & 0xffffff,
    sqPsn: call.u32(Req.sqPsn) & 0xffffff,
    destQpn: call.u32(Req.destQpNum),
    maxRdAtomic: call.u8(Req.maxRdAtomic),
    maxDestRdAtomic: call.u8(Req.maxDestRdAtomic),
    minRnrTimer: call.u8(Req.minRnrTimer),
    pathMigState: call.u8(Req.pathMigState),
    altPkeyIndex: call.u16(Req.altPkeyIndex),
    altPort: call.u8(Req.altPortNum),
    altTimeout: call.u8(Req.altTimeout),
  };
  if (mask & M.AV) attr.av = destination(request, Req.dest);
  if (mask & M.ALT_PATH) attr.altAv = destination(request, Req.altDest);
  modifyQp(qp, attr, mask);
  call.file.gate.changed(call.caller, qp);
}

function writeDestination(into: Buffer, at: number, av: AddressVector | null): void {
  if (av === null) return;
  into.set(av.dgid, at + QpDest.dgid);
  into.writeUInt32LE(av.flowLabel, at + QpDest.flowLabel);
  into.writeUInt16LE(av.dlid, at + QpDest.dlid);
  into[at + QpDest.sgidIndex] = av.sgidIndex;
  into[at + QpDest.hopLimit] = av.hopLimit;
  into[at + QpDest.trafficClass] = av.trafficClass;
  into[at + QpDest.sl] = av.sl;
  into[at + QpDest.isGlobal] = 1;
  into[at + QpDest.portNum] = av.port;
}

function query(call: WriteCall): void {
  const qp = call.file.find('qp', call.u32(QueryQp.qpHandle));
  const a = queryQp(qp);
  const answer = Buffer.alloc(R.size);
  writeDestination(answer, R.dest, a.av);
  writeDestination(answer, R.altDest, a.altAv);
  answer.writeUInt32LE(qp.cap.maxSendWr, R.maxSendWr);
  answer.writeUInt32LE(qp.cap.maxRecvWr, R.maxRecvWr);
  answer.writeUInt32LE(qp.cap.maxSendSge, R.maxSendSge);
  answer.writeUInt32LE(qp.cap.maxRecvSge, R.maxRecvSge);
  answer.writeUInt32LE(qp.cap.maxInlineData, R.maxInlineData);
  answer.writeUInt32LE(a.qkey, R.qkey);
  answer.writeUInt32LE(a.rqPsn, R.rqPsn);
  answer.writeUInt32LE(a.sqPsn, R.sqPsn);
  answer.writeUInt32LE(a.destQpn, R.destQpNum);
  answer.writeUInt32LE(a.accessFlags, R.qpAccessFlags);
  answer.writeUInt16LE(a.pkeyIndex, R.pkeyIndex);
  answer.writeUInt16LE(a.altPkeyIndex, R.altPkeyIndex);
  answer[R.qpState] = a.state;
  answer[R.curQpState] = a.curState;
  answer[R.pathMtu] = a.pathMtu;
  answer[R.pathMigState] = a.pathMigState;
  answer[R.sqDraining] = a.sqDraining ? 1 : 0;
  answer[R.maxRdAtomic] = a.maxRdAtomic;
  answer[R.maxDestRdAtomic] = a.maxDestRdAtomic;
  answer[R.minRnrTimer] = a.minRnrTimer;
  answer[R.portNum] = a.port;
  answer[R.timeout] = a.timeout;
  answer[R.retryCnt] = a.retryCnt;
  answer[R.rnrRetry] = a.rnrRetry;
  answer[R.altPortNum] = a.altPort;
  answer[R.altTimeout] = a.altTimeout;
  answer[R.sqSigAll] = qp.sqSigAll ? 1 : 0;
  call.answer(answer);
}

export const qpAttrCommands: readonly Command[] = [
  command(Cmd.MODIFY_QP, Req.size, 0, modify),
  exCommand(EXTENDED | ExCommand.MODIFY_QP, Req.size, ExModifyQp.size, ExModifyQpResp.size, (call) => {
    modify(call);
    const answer = Buffer.alloc(ExModifyQpResp.size);
    answer.writeUInt32LE(call.responseLength(ExModifyQpResp.size), ExModifyQpResp.responseLength);
    call.answer(answer);
  }),
  command(Cmd.QUERY_QP, QueryQp.size, R.size, query),
];
