// Numbers of <rdma/rdma_user_cm.h>.

export const ABI_VERSION = 4;

/** `RDMA_USER_CM_CMD_…` */
export const Command = {
  CREATE_ID: 0,
  DESTROY_ID: 1,
  BIND_IP: 2,
  RESOLVE_IP: 3,
  RESOLVE_ROUTE: 4,
  QUERY_ROUTE: 5,
  CONNECT: 6,
  LISTEN: 7,
  ACCEPT: 8,
  REJECT: 9,
  DISCONNECT: 10,
  INIT_QP_ATTR: 11,
  GET_EVENT: 12,
  GET_OPTION: 13,
  SET_OPTION: 14,
  NOTIFY: 15,
  JOIN_IP_MCAST: 16,
  LEAVE_MCAST: 17,
  MIGRATE_ID: 18,
  QUERY: 19,
  BIND: 20,
  RESOLVE_ADDR: 21,
  JOIN_MCAST: 22,
} as const;
export const COMMANDS = Object.keys(Command).length;

/** `RDMA_USER_CM_QUERY_…` */
export const QueryOption = { ADDR: 0, PATH: 1, GID: 2 } as const;

/** `RDMA_OPTION_…` */
export const OptionLevel = { ID: 0, IB: 1 } as const;
export const IdOption = { TOS: 0, REUSEADDR: 1, AFONLY: 2, ACK_TIMEOUT: 3 } as const;
export const IbOption = { PATH: 1 } as const;

/** `RDMA_MC_JOIN_FLAG_…` */
export const JoinFlag = { FULLMEMBER: 0, SENDONLY_FULLMEMBER: 1 } as const;

/** `IB_PATH_GMP | IB_PATH_PRIMARY | IB_PATH_BIDIRECTIONAL` of <rdma/ib_user_sa.h>. */
export const PATH_FLAGS = 0x2b;
