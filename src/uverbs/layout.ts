// Structures of <rdma/ib_user_verbs.h>, <rdma/ib_user_ioctl_verbs.h> and <rdma/rdma_user_ioctl_cmds.h>: sizes (without the
// driver's data at the end) and byte offsets of the fields that are used here.

export const IoctlHdr = {
  size: 24,
  length: 0,
  objectId: 2,
  methodId: 4,
  numAttrs: 6,
  reserved1: 8,
  driverId: 16,
  reserved2: 20,
} as const;
export const Attr = { size: 16, attrId: 0, len: 2, flags: 4, attrData: 6, data: 8 } as const;

export const AsyncEventDesc = { size: 16, element: 0, eventType: 8 } as const;
export const CompEventDesc = { size: 8, cqHandle: 0 } as const;

export const GetContext = { size: 8 } as const;
export const GetContextResp = { size: 8, asyncFd: 0, numCompVectors: 4 } as const;

export const QueryDevice = { size: 8 } as const;
export const QueryDeviceResp = {
  size: 176,
  fwVer: 0,
  nodeGuid: 8,
  sysImageGuid: 16,
  maxMrSize: 24,
  pageSizeCap: 32,
  vendorId: 40,
  vendorPartId: 44,
  hwVer: 48,
  maxQp: 52,
  maxQpWr: 56,
  deviceCapFlags: 60,
  maxSge: 64,
  maxSgeRd: 68,
  maxCq: 72,
  maxCqe: 76,
  maxMr: 80,
  maxPd: 84,
  maxQpRdAtom: 88,
  maxResRdAtom: 96,
  maxQpInitRdAtom: 100,
  atomicCap: 108,
  maxMw: 120,
  maxMcastGrp: 132,
  maxMcastQpAttach: 136,
  maxTotalMcastQpAttach: 140,
  maxAh: 144,
  maxSrq: 156,
  maxSrqWr: 160,
  maxSrqSge: 164,
  maxPkeys: 168,
  localCaAckDelay: 170,
  physPortCnt: 171,
} as const;
export const ExQueryDevice = { size: 8, compMask: 0, reserved: 4 } as const;
export const ExQueryDeviceResp = {
  size: 304,
  compMask: 176,
  responseLength: 180,
  deviceCapFlagsEx: 224,
} as const;

export const QueryPort = { size: 16, portNum: 8 } as const;
export const QueryPortResp = {
  size: 40,
  portCapFlags: 0,
  maxMsgSz: 4,
  badPkeyCntr: 8,
  qkeyViolCntr: 12,
  gidTblLen: 16,
  pkeyTblLen: 20,
  lid: 22,
  smLid: 24,
  state: 26,
  maxMtu: 27,
  activeMtu: 28,
  lmc: 29,
  maxVlNum: 30,
  smSl: 31,
  activeWidth: 34,
  activeSpeed: 35,
  physState: 36,
  linkLayer: 37,
  flags: 38,
} as const;
export const QueryPortRespEx = { size: 48, portCapFlags2: 40 } as const;
export const GidEntry = { size: 32, gid: 0, gidIndex: 16, portNum: 20, gidType: 24, netdevIfindex: 28 } as const;

export const AllocPd = { size: 8 } as const;
export const AllocPdResp = { size: 4, pdHandle: 0 } as const;
export const DeallocPd = { size: 4, pdHandle: 0 } as const;

export const RegMr = { size: 40, start: 8, length: 16, hcaVa: 24, pdHandle: 32, accessFlags: 36 } as const;
export const RegMrResp = { size: 12, mrHandle: 0, lkey: 4, rkey: 8 } as const;
export const ReregMr = {
  size: 48,
  mrHandle: 8,
  flags: 12,
  start: 16,
  length: 24,
  hcaVa: 32,
  pdHandle: 40,
  accessFlags: 44,
} as const;
export const ReregMrResp = { size: 8, lkey: 0, rkey: 4 } as const;
export const DeregMr = { size: 4, mrHandle: 0 } as const;

export const AllocMw = { size: 16, pdHandle: 8, mwType: 12 } as const;
export const AllocMwResp = { size: 8, mwHandle: 0, rkey: 4 } as const;
export const DeallocMw = { size: 4, mwHandle: 0 } as const;

export const CreateCompChannel = { size: 8 } as const;
export const CreateCompChannelResp = { size: 4, fd: 0 } as const;

export const CreateCq = { size: 32, userHandle: 8, cqe: 16, compVector: 20, compChannel: 24 } as const;
export const ExCreateCq = {
  size: 32,
  userHandle: 0,
  cqe: 8,
  compVector: 12,
  compChannel: 16,
  compMask: 20,
  flags: 24,
  reserved: 28,
} as const;
export const CreateCqResp = { size: 8, cqHandle: 0, cqe: 4 } as const;
export const ExCreateCqResp = { size: 16, base: 0, compMask: 8, responseLength: 12 } as const;
export const ResizeCq = { size: 16, cqHandle: 8, cqe: 12 } as const;
export const ResizeCqResp = { size: 8, cqe: 0 } as const;
export const ReqNotifyCq = { size: 8, cqHandle: 0, solicitedOnly: 4 } as const;
export const DestroyCq = { size: 16, cqHandle: 8 } as const;
export const DestroyCqResp = { size: 8, compEventsReported: 0, asyncEventsReported: 4 } as const;

/** From `base` on, CREATE_QP and EX_CREATE_QP are the same up to is_srq. */
export const CreateQp = {
  size: 56,
  userHandle: 8,
  pdHandle: 16,
  sendCqHandle: 20,
  recvCqHandle: 24,
  srqHandle: 28,
  maxSendWr: 32,
  maxRecvWr: 36,
  maxSendSge: 40,
  maxRecvSge: 44,
  maxInlineData: 48,
  sqSigAll: 52,
  qpType: 53,
  isSrq: 54,
} as const;
export const ExCreateQp = {
  size: 64,
  userHandle: 0,
  pdHandle: 8,
  isSrq: 46,
  compMask: 48,
  createFlags: 52,
  rwqIndTblHandle: 56,
  sourceQpn: 60,
} as const;
export const CreateQpResp = {
  size: 32,
  qpHandle: 0,
  qpn: 4,
  maxSendWr: 8,
  maxRecvWr: 12,
  maxSendSge: 16,
  maxRecvSge: 20,
  maxInlineData: 24,
} as const;
export const ExCreateQpResp = { size: 40, base: 0, compMask: 32, responseLength: 36 } as const;
export const QpCap = {
  size: 20,
  maxSendWr: 0,
  maxRecvWr: 4,
  maxSendSge: 8,
  maxRecvSge: 12,
  maxInlineData: 16,
} as const;

export const QpDest = {
  size: 32,
  dgid: 0,
  flowLabel: 16,
  dlid: 20,
  sgidIndex: 24,
  hopLimit: 25,
  trafficClass: 26,
  sl: 27,
  isGlobal: 30,
  portNum: 31,
} as const;
export const QueryQp = { size: 16, qpHandle: 8, attrMask: 12 } as const;
export const QueryQpResp = {
  size: 128,
  dest: 0,
  altDest: 32,
  maxSendWr: 64,
  maxRecvWr: 68,
  maxSendSge: 72,
  maxRecvSge: 76,
  maxInlineData: 80,
  qkey: 84,
  rqPsn: 88,
  sqPsn: 92,
  destQpNum: 96,
  qpAccessFlags: 100,
  pkeyIndex: 104,
  altPkeyIndex: 106,
  qpState: 108,
  curQpState: 109,
  pathMtu: 110,
  pathMigState: 111,
  sqDraining: 112,
  maxRdAtomic: 113,
  maxDestRdAtomic: 114,
  minRnrTimer: 115,
  portNum: 116,
  timeout: 117,
  retryCnt: 118,
  rnrRetry: 119,
  altPortNum: 120,
  altTimeout: 121,
  sqSigAll: 122,
} as const;
export const ModifyQp = {
  size: 112,
  dest: 0,
  altDest: 32,
  qpHandle: 64,
  attrMask: 68,
  qkey: 72,
  rqPsn: 76,
  sqPsn: 80,
  destQpNum: 84,
  qpAccessFlags: 88,
  pkeyIndex: 92,
  altPkeyIndex: 94,
  qpState: 96,
  curQpState: 97,
  pathMtu: 98,
  pathMigState: 99,
  enSqdAsyncNotify: 100,
  maxRdAtomic: 101,
  maxDestRdAtomic: 102,
  minRnrTimer: 103,
  portNum: 104,
  timeout: 105,
  retryCnt: 106,
  rnrRetry: 107,
  altPortNum: 108,
  altTimeout: 109,
} as const;
export const ExModifyQp = { size: 120, base: 0, rateLimit: 112, reserved: 116 } as const;
export const ExModifyQpResp = { size: 8, compMask: 0, responseLength: 4 } as const;
export const DestroyQp = { size: 16, qpHandle: 8 } as const;
export const DestroyQpResp = { size: 4, eventsReported: 0 } as const;
export const PostSend = { size: 24, qpHandle: 8, wrCount: 12, sgeCount: 16, wqeSize: 20 } as const;
export const PostSendResp = { size: 4, badWr: 0 } as const;

export const GlobalRoute = {
  size: 24,
  dgid: 0,
  flowLabel: 16,
  sgidIndex: 20,
  hopLimit: 21,
  trafficClass: 22,
} as const;
export const AhAttr = { size: 32, grh: 0, dlid: 24, sl: 26, isGlobal: 29, portNum: 30 } as const;
export const CreateAh = { size: 56, pdHandle: 16, attr: 24 } as const;
export const CreateAhResp = { size: 4, ahHandle: 0 } as const;
export const DestroyAh = { size: 4, ahHandle: 0 } as const;

export const AttachMcast = { size: 24, gid: 0, qpHandle: 16, mlid: 20 } as const;

export const CreateSrq = { size: 32, userHandle: 8, pdHandle: 16, maxWr: 20, maxSge: 24, srqLimit: 28 } as const;
export const CreateXsrq = {
  size: 48,
  userHandle: 8,
  srqType: 16,
  pdHandle: 20,
  maxWr: 24,
  maxSge: 28,
  srqLimit: 32,
} as const;
export const CreateSrqResp = { size: 16, srqHandle: 0, maxWr: 4, maxSge: 8, srqn: 12 } as const;
export const ModifySrq = { size: 16, srqHandle: 0, attrMask: 4, maxWr: 8, srqLimit: 12 } as const;
export const QuerySrq = { size: 16, srqHandle: 8 } as const;
export const QuerySrqResp = { size: 16, maxWr: 0, maxSge: 4, srqLimit: 8 } as const;
export const DestroySrq = { size: 16, srqHandle: 8 } as const;
export const DestroySrqResp = { size: 4, eventsReported: 0 } as const;
