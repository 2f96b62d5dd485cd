import type { AddressVector } from './ah.ts';
import { QpState } from './constants.ts';
import type { CompletionQueue } from './cq.ts';
import { VerbsObject } from './object.ts';
import type { ProtectionDomain } from './pd.ts';
import type { SharedReceiveQueue } from './srq.ts';

/** `struct ibv_qp_cap` */
export interface QpCap {
  maxSendWr: number;
  maxRecvWr: number;
  maxSendSge: number;
  maxRecvSge: number;
  maxInlineData: number;
}

export interface QpInit {
  readonly pd: ProtectionDomain;
  readonly type: number;
  readonly sendCq: CompletionQueue;
  readonly recvCq: CompletionQueue;
  readonly srq: SharedReceiveQueue | null;
  readonly cap: QpCap;
  /** Every send work request makes a completion, whether it asks for one or not. */
  readonly sqSigAll: boolean;
}

/** `struct ibv_qp_attr`: what modify_qp sets (those named in its mask) and query_qp tells. */
export interface QpAttr {
  state: number;
  curState: number;
  /** `Mtu` enumeration. */
  pathMtu: number;
  qkey: number;
  rqPsn: number;
  sqPsn: number;
  destQpn: number;
  /** Bits of `Access` for remote operations. */
  accessFlags: number;
  av: AddressVector | null;
  pkeyIndex: number;
  enSqdAsyncNotify: boolean;
  sqDraining: boolean;
  maxRdAtomic: number;
  maxDestRdAtomic: number;
  minRnrTimer: number;
  port: number;
  timeout: number;
  retryCnt: number;
  rnrRetry: number;
  /** The alternate path, which `QpAttrMask.ALT_PATH` sets as a whole. */
  altAv: AddressVector | null;
  altPkeyIndex: number;
  altPort: number;
  altTimeout: number;
  /** {@link MigState} */
  pathMigState: number;
}

/** `enum ibv_mig_state` */
export const MigState = { MIGRATED: 0, REARM: 1, ARMED: 2 } as const;

export function newQpAttr(): QpAttr {
  return {
    state: QpState.RESET,
    curState: QpState.RESET,
    pathMtu: 0,
    qkey: 0,
    rqPsn: 0,
    sqPsn: 0,
    destQpn: 0,
    accessFlags: 0,
    av: null,
    pkeyIndex: 0,
    enSqdAsyncNotify: false,
    sqDraining: false,
    maxRdAtomic: 0,
    maxDestRdAtomic: 0,
    minRnrTimer: 0,
    port: 1,
    timeout: 0,
    retryCnt: 0,
    rnrRetry: 0,
    altAv: null,
    altPkeyIndex: 0,
    altPort: 0,
    altTimeout: 0,
    pathMigState: MigState.MIGRATED,
  };
}

/** A queue pair. A driver's own class adds the rings and the transport's state. */
export abstract class QueuePair extends VerbsObject {
  readonly kind = 'qp';
  readonly pd: ProtectionDomain;
  /** `QpType` */
  readonly type: number;
  readonly sendCq: CompletionQueue;
  readonly recvCq: CompletionQueue;
  readonly srq: SharedReceiveQueue | null;
  readonly cap: QpCap;
  readonly sqSigAll: boolean;
  qpn = 0;
  readonly attr: QpAttr = newQpAttr();

  constructor(init: QpInit) {
    super(init.pd.context);
    this.pd = init.pd;
    this.type = init.type;
    this.sendCq = init.sendCq;
    this.recvCq = init.recvCq;
    this.srq = init.srq;
    this.cap = init.cap;
    this.sqSigAll = init.sqSigAll;
  }

  get state(): number {
    return this.attr.state;
  }
}
