// Structures of <rdma/rdma_user_cm.h>, <rdma/ib_user_sa.h> and of <rdma/ib_user_verbs.h> what they hold: sizes and byte offsets of
// the fields that are used here.

export const CmdHdr = { size: 8, cmd: 0, in: 4, out: 6 } as const;

export const CreateId = { size: 24, uid: 0, response: 8, ps: 16, qpType: 18 } as const;
export const CreateIdResp = { size: 4, id: 0 } as const;
export const DestroyId = { size: 16, response: 0, id: 8 } as const;
export const DestroyIdResp = { size: 4, eventsReported: 0 } as const;
export const MigrateId = { size: 16, response: 0, id: 8, fd: 12 } as const;
export const MigrateResp = { size: 4, eventsReported: 0 } as const;

export const BindIp = { size: 40, addr: 8, id: 36 } as const;
export const Bind = { size: 136, id: 0, addrSize: 4, reserved: 6, addr: 8 } as const;
export const ResolveIp = { size: 64, srcAddr: 0, dstAddr: 28, id: 56 } as const;
export const ResolveAddr = {
  size: 272,
  id: 0,
  srcSize: 8,
  dstSize: 10,
  reserved: 12,
  srcAddr: 16,
  dstAddr: 144,
} as const;
export const ResolveRoute = { size: 8, id: 0 } as const;

export const Query = { size: 16, response: 0, id: 8, option: 12 } as const;
export const QueryRouteResp = {
  size: 208,
  nodeGuid: 0,
  ibRoute: 8,
  srcAddr: 136,
  dstAddr: 164,
  numPaths: 192,
  portNum: 196,
  ibdevIndex: 200,
} as const;
export const QueryAddrResp = {
  size: 280,
  nodeGuid: 0,
  portNum: 8,
  pkey: 10,
  srcSize: 12,
  dstSize: 14,
  srcAddr: 16,
  dstAddr: 144,
  ibdevIndex: 272,
} as const;
export const QueryPathResp = { size: 8, numPaths: 0, pathData: 8 } as const;
export const PathRecData = { size: 72, flags: 0, pathRec: 8 } as const;
export const UserPathRec = {
  size: 64,
  dgid: 0,
  sgid: 16,
  flowLabel: 40,
  reversible: 44,
  mtu: 48,
  pkey: 52,
  hopLimit: 54,
  trafficClass: 55,
  numbPath: 56,
  sl: 57,
  mtuSelector: 58,
  rateSelector: 59,
  rate: 60,
  packetLifeTimeSelector: 61,
  packetLifeTime: 62,
} as const;

export const ConnParam = {
  size: 272,
  qpNum: 0,
  qkey: 4,
  privateData: 8,
  privateDataLen: 264,
  srq: 265,
  responderResources: 266,
  initiatorDepth: 267,
  flowControl: 268,
  retryCount: 269,
  rnrRetryCount: 270,
  valid: 271,
} as const;
export const UdParam = { size: 304, qpNum: 0, qkey: 4, ahAttr: 8, privateData: 40, privateDataLen: 296 } as const;
/** Before release 27 of rdma-core both ended at `ece`, and so at `reserved`. */
export const Connect = { size: 288, connParam: 0, id: 272, reserved: 276, ece: 280 } as const;
export const Accept = { size: 296, uid: 0, connParam: 8, id: 280, reserved: 284, ece: 288 } as const;
export const Listen = { size: 8, id: 0, backlog: 4 } as const;
export const Reject = { size: 264, id: 0, privateDataLen: 4, reason: 5, privateData: 8 } as const;
export const Disconnect = { size: 4, id: 0 } as const;
export const InitQpAttr = { size: 16, response: 0, id: 8, qpState: 12 } as const;
export const Notify = { size: 8, id: 0, event: 4 } as const;

export const JoinIpMcast = { size: 48, response: 0, uid: 8, addr: 16, id: 44 } as const;
export const JoinMcast = { size: 152, response: 0, uid: 8, id: 16, addrSize: 20, joinFlags: 22, addr: 24 } as const;

export const GetEvent = { size: 8, response: 0 } as const;
export const EventResp = {
  size: 336,
  uid: 0,
  id: 8,
  event: 12,
  status: 16,
  param: 20,
  reserved: 324,
  ece: 328,
} as const;

export const SetOption = { size: 24, optval: 0, id: 8, level: 12, optname: 16, optlen: 20 } as const;

/** struct ib_uverbs_qp_attr */
export const QpAttr = {
  size: 144,
  qpAttrMask: 0,
  qpState: 4,
  curQpState: 8,
  pathMtu: 12,
  qkey: 20,
  rqPsn: 24,
  sqPsn: 28,
  destQpNum: 32,
  qpAccessFlags: 36,
  ahAttr: 40,
  pkeyIndex: 124,
  maxRdAtomic: 130,
  maxDestRdAtomic: 131,
  minRnrTimer: 132,
  portNum: 133,
  timeout: 134,
  retryCnt: 135,
  rnrRetry: 136,
} as const;

/** struct sockaddr_ib, which no header of the C library has (include/rdma/ib.h). */
export const SockaddrIb = { size: 48, family: 0, pkey: 2, addr: 8, sid: 24, sidMask: 32 } as const;
