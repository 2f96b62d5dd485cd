// What a driver gives the core. The core has checked rights, parents and limits before it calls any of these.
import type { AddressHandle, AddressVector } from './ah.ts';
import type { Context } from './context.ts';
import type { CompletionChannel, CompletionQueue } from './cq.ts';
import type { Memory } from './memory.ts';
import type { MemoryRegion, MemoryWindow } from './mr.ts';
import type { ProtectionDomain } from './pd.ts';
import type { QpAttr, QpInit, QueuePair } from './qp.ts';
import type { SharedReceiveQueue, SrqAttr } from './srq.ts';
import type { RecvWr, SendWr, WorkCompletion } from './work.ts';

/** `struct ibv_device_attr`, as far as software has something to say. */
export interface DeviceAttributes {
  readonly vendorId: number;
  readonly vendorPartId: number;
  readonly hwVer: number;
  readonly fwVer: string;
  readonly nodeGuid: Uint8Array;
  readonly sysImageGuid: Uint8Array;
  readonly maxMrSize: number;
  readonly pageSizeCap: number;
  readonly maxQp: number;
  readonly maxQpWr: number;
  /** `IBV_DEVICE_*` capability bits. */
  readonly deviceCapFlags: number;
  readonly maxSge: number;
  readonly maxSgeRd: number;
  readonly maxInlineData: number;
  readonly maxCq: number;
  readonly maxCqe: number;
  readonly maxMr: number;
  readonly maxPd: number;
  readonly maxQpRdAtom: number;
  readonly maxQpInitRdAtom: number;
  readonly maxResRdAtom: number;
  readonly maxMw: number;
  readonly maxMcastGrp: number;
  readonly maxMcastQpAttach: number;
  readonly maxAh: number;
  readonly maxSrq: number;
  readonly maxSrqWr: number;
  readonly maxSrqSge: number;
  readonly maxPkeys: number;
  readonly physPortCnt: number;
}

/** `struct ibv_port_attr` */
export interface PortAttributes {
  readonly state: number;
  readonly physState: number;
  readonly maxMtu: number;
  readonly activeMtu: number;
  readonly gidTblLen: number;
  readonly pkeyTblLen: number;
  readonly portCapFlags: number;
  readonly maxMsgSz: number;
  readonly badPkeyCntr: number;
  readonly qkeyViolCntr: number;
  readonly lid: number;
  readonly smLid: number;
  readonly lmc: number;
  readonly maxVlNum: number;
  readonly smSl: number;
  readonly activeWidth: number;
  readonly activeSpeed: number;
  /** 1: InfiniBand, 2: Ethernet (`IBV_LINK_LAYER_*`). */
  readonly linkLayer: number;
  readonly netdev: string;
}

/** The verbs a driver has. An absent one is absent: nothing here may answer "not supported". */
export interface DriverOps {
  queryDevice(): DeviceAttributes;
  queryPort(port: number): PortAttributes;
  allocPd(pd: ProtectionDomain): void;
  deallocPd(pd: ProtectionDomain): void;
  regMr(mr: MemoryRegion): void;
  deregMr(mr: MemoryRegion): void;
  reregMr(mr: MemoryRegion, change: { pd?: ProtectionDomain; memory?: Memory; access?: number }): void;
  allocMw(mw: MemoryWindow): void;
  deallocMw(mw: MemoryWindow): void;
  createCq(context: Context, cqe: number, channel: CompletionChannel | null): CompletionQueue;
  destroyCq(cq: CompletionQueue): void;
  resizeCq(cq: CompletionQueue, cqe: number): void;
  pollCq(cq: CompletionQueue, max: number, into: WorkCompletion[]): number;
  /** True when completions had arrived before it was armed (`IB_CQ_REPORT_MISSED_EVENTS`). */
  reqNotifyCq(cq: CompletionQueue, solicitedOnly: boolean): boolean;
  createQp(init: QpInit): QueuePair;
  modifyQp(qp: QueuePair, attr: Partial<QpAttr>, mask: number): void;
  queryQp(qp: QueuePair): QpAttr;
  destroyQp(qp: QueuePair): void;
  /** `more`: further requests follow at once, and the doorbell is rung with the last of them. */
  postSend(qp: QueuePair, wr: SendWr, more?: boolean): void;
  postRecv(qp: QueuePair, wr: RecvWr): void;
  createSrq(pd: ProtectionDomain, attr: SrqAttr): SharedReceiveQueue;
  modifySrq(srq: SharedReceiveQueue, attr: Partial<SrqAttr>, mask: number): void;
  querySrq(srq: SharedReceiveQueue): SrqAttr;
  destroySrq(srq: SharedReceiveQueue): void;
  postSrqRecv(srq: SharedReceiveQueue, wr: RecvWr): void;
  createAh(pd: ProtectionDomain, av: AddressVector): AddressHandle;
  queryAh(ah: AddressHandle): AddressVector;
  destroyAh(ah: AddressHandle): void;
  attachMcast(qp: QueuePair, gid: Uint8Array, lid: number): void;
  detachMcast(qp: QueuePair, gid: Uint8Array, lid: number): void;
}
