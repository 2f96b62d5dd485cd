// Numbers of <rdma/ib_user_verbs.h> and <rdma/ib_user_ioctl_cmds.h>.

/** `enum ib_uverbs_write_cmds`. Those with EX are extended (IB_USER_VERBS_CMD_FLAG_EXTENDED). */
export const Command = {
  GET_CONTEXT: 0,
  QUERY_DEVICE: 1,
  QUERY_PORT: 2,
  ALLOC_PD: 3,
  DEALLOC_PD: 4,
  CREATE_AH: 5,
  DESTROY_AH: 8,
  REG_MR: 9,
  REREG_MR: 11,
  DEREG_MR: 13,
  ALLOC_MW: 14,
  DEALLOC_MW: 16,
  CREATE_COMP_CHANNEL: 17,
  CREATE_CQ: 18,
  RESIZE_CQ: 19,
  DESTROY_CQ: 20,
  REQ_NOTIFY_CQ: 23,
  CREATE_QP: 24,
  QUERY_QP: 25,
  MODIFY_QP: 26,
  DESTROY_QP: 27,
  POST_SEND: 28,
  ATTACH_MCAST: 30,
  DETACH_MCAST: 31,
  CREATE_SRQ: 32,
  MODIFY_SRQ: 33,
  QUERY_SRQ: 34,
  DESTROY_SRQ: 35,
  CREATE_XSRQ: 39,
} as const;
export const EXTENDED = 0x80000000;
export const ExCommand = { QUERY_DEVICE: 1, CREATE_CQ: 18, CREATE_QP: 24, MODIFY_QP: 26 } as const;

/** `enum uverbs_default_objects` */
export const UObject = {
  DEVICE: 0,
  PD: 1,
  COMP_CHANNEL: 2,
  CQ: 3,
  QP: 4,
  SRQ: 5,
  AH: 6,
  MR: 7,
  MW: 8,
  FLOW: 9,
  XRCD: 10,
  RWQ_IND_TBL: 11,
  WQ: 12,
  FLOW_ACTION: 13,
  DM: 14,
  COUNTERS: 15,
  ASYNC_EVENT: 16,
} as const;

/** Ids of drivers' own objects, methods and attributes have this bit (UVERBS_ID_NS_SHIFT). */
export const DRIVER_NS = 0x1000;
/** `UVERBS_ATTR_UHW_IN`, `UVERBS_ATTR_UHW_OUT`: what a common method's program and driver say to each other. */
export const UHW_IN = 0x1000;
export const UHW_OUT = 0x1001;

export const DeviceMethod = {
  INVOKE_WRITE: 0,
  INFO_HANDLES: 1,
  QUERY_PORT: 2,
  GET_CONTEXT: 3,
  QUERY_CONTEXT: 4,
  QUERY_GID_TABLE: 5,
  QUERY_GID_ENTRY: 6,
} as const;
export const CqMethod = { CREATE: 0, DESTROY: 1 } as const;
export const QpMethod = { CREATE: 0, DESTROY: 1 } as const;
export const SrqMethod = { CREATE: 0, DESTROY: 1 } as const;
export const MrMethod = { DESTROY: 1, QUERY: 3, REG: 5 } as const;
/** Of the objects that have no other: PD, AH, MW. */
export const DESTROY_METHOD = 0;
export const ASYNC_EVENT_ALLOC = 0;

/** `UVERBS_ATTR_F_*` */
export const AttrFlag = { MANDATORY: 1, VALID_OUTPUT: 2 } as const;

/** `IB_UVERBS_CORE_SUPPORT_OPTIONAL_MR_ACCESS` */
export const CORE_SUPPORT = 1;
