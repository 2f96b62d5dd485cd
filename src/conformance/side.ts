// One end of what is judged, and all that a check may do with it. Everything is plain data, in and out, so that the end may
// be in this process, in another one, or behind an unmodified libibverbs.

import type { DeviceAttributes, PortAttributes } from '../core/driver.ts';
import type { Capability } from '../core/mandatory.ts';
import type { QpCap } from '../core/qp.ts';

/** An object of the end's context. */
export type Handle = number;
/** Bytes, two digits each. */
export type Hex = string;

export type QpKind = 'RC' | 'UC' | 'UD';

/** What a device says of itself. */
export interface Facts {
  readonly name: string;
  readonly driver: string;
  /** In-process consumers may use it. */
  readonly kverbs: boolean;
  /** Mandatory verbs that it lacks. */
  readonly missing: readonly string[];
  /** Verbs of the table that it has. */
  readonly verbs: readonly string[];
  readonly capabilities: readonly Capability[];
  readonly qpTypes: readonly string[];
  readonly attributes: Omit<DeviceAttributes, 'nodeGuid' | 'sysImageGuid'> & { readonly nodeGuid: Hex };
  readonly port: PortAttributes;
  /** The GID that the end is reached by, at index 0; '' for none. */
  readonly gid: Hex;
  readonly pkeys: readonly number[];
}

export interface Av {
  readonly dgid: Hex;
  readonly dlid: number;
  readonly sl?: number;
  readonly hopLimit?: number;
  readonly trafficClass?: number;
}

export interface Sge {
  readonly addr: number;
  readonly length: number;
  readonly lkey: number;
}

export interface Region {
  readonly mr: Handle;
  readonly lkey: number;
  readonly rkey: number;
  readonly addr: number;
  readonly length: number;
}

/** Attributes by name; the mask is made of the names. `state` as text. */
export interface Attr {
  readonly state?: string;
  readonly pkeyIndex?: number;
  readonly port?: number;
  readonly qkey?: number;
  readonly accessFlags?: number;
  readonly av?: Av;
  readonly pathMtu?: number;
  readonly destQpn?: number;
  readonly rqPsn?: number;
  readonly sqPsn?: number;
  readonly maxDestRdAtomic?: number;
  readonly minRnrTimer?: number;
  readonly timeout?: number;
  readonly retryCnt?: number;
  readonly rnrRetry?: number;
  readonly maxRdAtomic?: number;
  readonly enSqdAsyncNotify?: boolean;
}

export interface SendRequest {
  readonly wrId?: number;
  /** `WrOpcode` by name. */
  readonly opcode: string;
  /** Bits of `SendFlags`; SIGNALED unless told. */
  readonly flags?: number;
  readonly sge?: readonly Sge[];
  readonly inline?: Hex;
  readonly imm?: number;
  readonly remoteAddr?: number;
  readonly rkey?: number;
  /** 64 bits, in decimal. */
  readonly compareAdd?: string;
  readonly swap?: string;
  readonly ah?: Handle;
  readonly remoteQpn?: number;
  readonly remoteQkey?: number;
  readonly mw?: Handle;
  readonly bindMr?: Handle;
  readonly bindAddr?: number;
  readonly bindLength?: number;
  readonly bindAccess?: number;
  readonly bindRkey?: number;
}

export interface RecvRequest {
  readonly wrId?: number;
  readonly sge?: readonly Sge[];
}

/** A work completion; `status` and `opcode` as text. */
export interface Wc {
  readonly wrId: number;
  readonly status: string;
  readonly opcode: string;
  readonly byteLen: number;
  readonly imm: number;
  readonly qpn: number;
  readonly srcQp: number;
  readonly flags: number;
}

export interface CreateQp {
  readonly pd: Handle;
  readonly type: string;
  readonly sendCq: Handle;
  readonly recvCq: Handle;
  readonly srq?: Handle;
  readonly cap?: Partial<QpCap>;
  readonly sqSigAll?: boolean;
}

export interface RegMr {
  readonly length: number;
  readonly access: number;
  /** The address of its first byte. */
  readonly iova?: number;
}

export interface Bind {
  readonly mr: Handle;
  readonly addr: number;
  readonly length: number;
  readonly access: number;
}

export interface SrqLimits {
  readonly maxWr: number;
  readonly maxSge: number;
  readonly limit: number;
}

/** An asynchronous event: its type by name, and the object's handle (0: the port or the device). */
export interface Event {
  readonly type: string;
  readonly handle: Handle;
}

/** What fails, fails with an Error that has the errno's name as `code`. Times are in microseconds of the end's clock. */
export interface Side {
  facts(): Promise<Facts>;
  /** Lets go of everything: the next check begins with an empty context. */
  reset(): Promise<void>;
  queryPort(port: number): Promise<PortAttributes>;
  queryGid(port: number, index: number): Promise<Hex>;
  queryPkey(port: number, index: number): Promise<number>;

  allocPd(): Promise<Handle>;
  /** Destroys an object of any kind, by its kind's own verb. */
  destroy(object: Handle): Promise<void>;
  regMr(pd: Handle, options: RegMr): Promise<Region>;
  reregMr(mr: Handle, change: { pd?: Handle; access?: number; length?: number }): Promise<void>;
  /** Fills a part of a region with bytes that differ from place to place. */
  fill(mr: Handle, offset: number, length: number, seed: number): Promise<void>;
  bytes(mr: Handle, offset: number, length: number): Promise<Hex>;
  allocMw(pd: Handle, type: 1 | 2): Promise<{ mw: Handle; rkey: number }>;
  /** Type 1: the verb; the window's new key. */
  bindMw(qp: Handle, mw: Handle, bind: Bind): Promise<number>;

  createChannel(): Promise<Handle>;
  createCq(cqe: number, channel?: Handle): Promise<{ cq: Handle; cqe: number }>;
  resizeCq(cq: Handle, cqe: number): Promise<number>;
  notify(cq: Handle, solicitedOnly: boolean): Promise<void>;
  /** Completion events of a CQ since it was made. */
  events(cq: Handle): Promise<number>;
  /** Takes up to `count` completions, waiting for them at most so long. */
  poll(cq: Handle, count: number, withinUs: number): Promise<Wc[]>;

  createQp(options: CreateQp): Promise<{ qp: Handle; qpn: number; cap: QpCap }>;
  modifyQp(qp: Handle, attr: Attr): Promise<void>;
  queryQp(qp: Handle): Promise<Attr>;
  postSend(qp: Handle, request: SendRequest): Promise<void>;
  /** To a QP, or a shared receive queue. */
  postRecv(queue: Handle, request: RecvRequest): Promise<void>;

  createSrq(pd: Handle, limits: SrqLimits): Promise<{ srq: Handle; maxWr: number }>;
  modifySrq(srq: Handle, change: { maxWr?: number; limit?: number }): Promise<void>;
  querySrq(srq: Handle): Promise<SrqLimits>;

  createAh(pd: Handle, av: Av): Promise<Handle>;
  queryAh(ah: Handle): Promise<Av>;
  attachMcast(qp: Handle, gid: Hex, lid: number): Promise<void>;
  detachMcast(qp: Handle, gid: Hex, lid: number): Promise<void>;

  /** Takes the asynchronous events there are, waiting until there are `count` of them at most so long. */
  asyncEvents(count: number, withinUs: number): Promise<Event[]>;
  /** The time on the end's clock. */
  now(): Promise<number>;
  /** Lets so much time go by. */
  wait(us: number): Promise<void>;
}
