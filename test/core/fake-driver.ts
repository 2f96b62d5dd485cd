// A driver for the core's tests: no transport, but it keeps what it was told, and says in which order.
import { AddressHandle, type AddressVector } from '../../src/core/ah.ts';
import { DeviceCap, LinkLayer, Mtu, QpState } from '../../src/core/constants.ts';
import type { Context } from '../../src/core/context.ts';
import { Armed, type CompletionChannel, CompletionQueue } from '../../src/core/cq.ts';
import type { DeviceAttributes, DriverOps, PortAttributes } from '../../src/core/driver.ts';
import type { VerbsError } from '../../src/core/errors.ts';
import { gidFromText } from '../../src/core/gid-text.ts';
import { LocalMemory } from '../../src/core/memory.ts';
import type { ProtectionDomain } from '../../src/core/pd.ts';
import { type QpAttr, type QpCap, type QpInit, QueuePair } from '../../src/core/qp.ts';
import { applyAttr } from '../../src/core/qp-attr.ts';
import { SharedReceiveQueue } from '../../src/core/srq.ts';
import type { SendWr } from '../../src/core/work.ts';
import type { LinkAddress } from '../../src/link/link.ts';
import { addressBytes } from '../../src/os/addresses.ts';

class FakeCq extends CompletionQueue {}
class FakeQp extends QueuePair {}
class FakeSrq extends SharedReceiveQueue {}
class FakeAh extends AddressHandle {}

export const ATTRIBUTES: DeviceAttributes = {
  vendorId: 0,
  vendorPartId: 0,
  hwVer: 0,
  fwVer: '1',
  nodeGuid: new Uint8Array(8),
  sysImageGuid: new Uint8Array(8),
  maxMrSize: 2 ** 40,
  pageSizeCap: 4096,
  maxQp: 64,
  maxQpWr: 128,
  deviceCapFlags: DeviceCap.MEM_WINDOW | DeviceCap.MEM_WINDOW_TYPE_2B | DeviceCap.SRQ_RESIZE,
  maxSge: 8,
  maxSgeRd: 8,
  maxInlineData: 256,
  maxCq: 64,
  maxCqe: 1024,
  maxMr: 64,
  maxPd: 16,
  maxQpRdAtom: 16,
  maxQpInitRdAtom: 8,
  maxResRdAtom: 256,
  maxMw: 16,
  maxMcastGrp: 4,
  maxMcastQpAttach: 3,
  maxAh: 16,
  maxSrq: 8,
  maxSrqWr: 64,
  maxSrqSge: 4,
  maxPkeys: 1,
  physPortCnt: 1,
};

export const PORT: PortAttributes = {
  state: 4,
  physState: 5,
  maxMtu: Mtu.MTU_4096,
  activeMtu: Mtu.MTU_1024,
  gidTblLen: 8,
  pkeyTblLen: 1,
  portCapFlags: 0,
  maxMsgSz: 2 ** 31,
  badPkeyCntr: 0,
  qkeyViolCntr: 0,
  lid: 0,
  smLid: 0,
  lmc: 0,
  maxVlNum: 1,
  smSl: 0,
  activeWidth: 1,
  activeSpeed: 1,
  linkLayer: LinkLayer.ETHERNET,
  netdev: 'lo',
};

export class FakeDriver implements DriverOps {
  readonly calls: string[] = [];
  readonly posted: SendWr[] = [];
  attributes: DeviceAttributes;
  port: PortAttributes = PORT;
  /** Name of an op that fails. */
  broken = '';
  private qpn = 16;

  constructor(attributes: Partial<DeviceAttributes> = {}) {
    this.attributes = { ...ATTRIBUTES, ...attributes };
  }

  private note(call: string): void {
    this.calls.push(call);
    if (call === this.broken) throw new Error(`${call} is broken`);
  }

  queryDevice(): DeviceAttributes {
    return this.attributes;
  }
  queryPort(): PortAttributes {
    return this.port;
  }
  allocPd(): void {
    this.note('allocPd');
  }
  deallocPd(): void {
    this.note('deallocPd');
  }
  regMr(): void {
    this.note('regMr');
  }
  deregMr(): void {
    this.note('deregMr');
  }
  reregMr(): void {
    this.note('reregMr');
  }
  allocMw(): void {
    this.note('allocMw');
  }
  deallocMw(): void {
    this.note('deallocMw');
  }
  createCq(context: Context, cqe: number, channel: CompletionChannel | null): CompletionQueue {
    this.note('createCq');
    return new FakeCq(context, cqe, channel);
  }
  destroyCq(): void {
    this.note('destroyCq');
  }
  resizeCq(cq: CompletionQueue, cqe: number): void {
    this.note('resizeCq');
    cq.cqe = cqe;
  }
  pollCq(): number {
    return 0;
  }
  reqNotifyCq(cq: CompletionQueue, solicitedOnly: boolean): boolean {
    cq.armed = solicitedOnly ? Armed.SOLICITED : Armed.NEXT;
    return false;
  }
  createQp(init: QpInit): QueuePair {
    this.note('createQp');
    const qp = new FakeQp(init);
    qp.qpn = ++this.qpn;
    return qp;
  }
  modifyQp(qp: QueuePair, attr: Partial<QpAttr>, mask: number): void {
    this.note('modifyQp');
    applyAttr(qp, attr, mask);
  }
  queryQp(qp: QueuePair): QpAttr {
    return { ...qp.attr };
  }
  destroyQp(): void {
    this.note('destroyQp');
  }
  postSend(_qp: QueuePair, wr: SendWr): void {
    this.posted.push(wr);
  }
  postRecv(): void {}
  createSrq(pd: ProtectionDomain, attr: SharedReceiveQueue['attr']): SharedReceiveQueue {
    this.note('createSrq');
    return new FakeSrq(pd, attr);
  }
  modifySrq(srq: SharedReceiveQueue, attr: Partial<SharedReceiveQueue['attr']>, mask: number): void {
    this.note('modifySrq');
    if (mask & 1) srq.attr.maxWr = attr.maxWr!;
    if (mask & 2) srq.attr.limit = attr.limit!;
  }
  querySrq(srq: SharedReceiveQueue): SharedReceiveQueue['attr'] {
    return { ...srq.attr };
  }
  destroySrq(): void {
    this.note('destroySrq');
  }
  postSrqRecv(): void {}
  createAh(pd: ProtectionDomain, av: AddressVector): AddressHandle {
    this.note('createAh');
    return new FakeAh(pd, av);
  }
  queryAh(ah: AddressHandle): AddressVector {
    return ah.av;
  }
  destroyAh(): void {
    this.note('destroyAh');
  }
  attachMcast(): void {
    this.note('attachMcast');
  }
  detachMcast(): void {
    this.note('detachMcast');
  }
}

export const address = (text: string, scope = 0): LinkAddress => {
  const bytes = addressBytes(text);
  return { family: bytes.length === 4 ? 4 : 6, bytes, text, scope };
};

export const CAP: QpCap = { maxSendWr: 16, maxRecvWr: 16, maxSendSge: 2, maxRecvSge: 2, maxInlineData: 64 };

export const memory = (bytes: number): LocalMemory => new LocalMemory(new ArrayBuffer(bytes));

/** An address vector to 127.0.0.2 from GID index 0. */
export const av = (changes: Partial<AddressVector> = {}): AddressVector => ({
  dgid: gidFromText('127.0.0.2'),
  sgidIndex: 0,
  trafficClass: 0,
  hopLimit: 64,
  flowLabel: 0,
  port: 1,
  sl: 0,
  dlid: 0,
  ...changes,
});

/** For assert.throws: a VerbsError with this code whose message matches. */
export const errno =
  (code: string, message = /./) =>
  (error: VerbsError): boolean => {
    if (error.code === code && message.test(error.message)) return true;
    throw new Error(`expected ${code} ${message}, got ${error}`);
  };

/** The ops of a driver without some of them. */
export function without(driver: FakeDriver, ...absent: (keyof DriverOps)[]): Partial<DriverOps> {
  const ops: Record<string, unknown> = {};
  for (const name of Object.getOwnPropertyNames(FakeDriver.prototype) as (keyof DriverOps)[]) {
    if (!absent.includes(name)) ops[name] = driver[name]?.bind(driver);
  }
  return ops;
}

export const INIT = { state: QpState.INIT, pkeyIndex: 0, port: 1 };
