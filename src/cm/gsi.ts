// The general services interface: queue pair 1 of a device, for the host's management agent (IBTA 13.5, 10.2.4.1). A consumer
// of the verbs like any other, in a context of its own with the rights for it.
import type { AddressHandle } from '../core/ah.ts';
import { Access, QpAttrMask, QpState, QpType, SendFlags, WcOpcode, WcStatus, WrOpcode } from '../core/constants.ts';
import type { Context } from '../core/context.ts';
import type { CompletionQueue } from '../core/cq.ts';
import type { Device } from '../core/device.ts';
import { gidFromAddress } from '../core/gid-text.ts';
import { LocalMemory } from '../core/memory.ts';
import type { MemoryRegion } from '../core/mr.ts';
import type { ProtectionDomain } from '../core/pd.ts';
import type { QueuePair } from '../core/qp.ts';
import { createAh, destroyAh } from '../core/verbs-ah.ts';
import { closeContext, openContext } from '../core/verbs-context.ts';
import { createCq } from '../core/verbs-cq.ts';
import { regMr } from '../core/verbs-mr.ts';
import { allocPd } from '../core/verbs-pd.ts';
import { createQp, modifyQp } from '../core/verbs-qp.ts';
import { RecvWr, SendWr, type WorkCompletion } from '../core/work.ts';
import { GSI_QKEY, GSI_QPN, MAD_LEN } from '../wire/mad.ts';
import type { MadAddress, MadPort } from './mad-port.ts';

const A = QpAttrMask;
const GRH_LEN = 40;
const SLOT = GRH_LEN + MAD_LEN;
const RECVS = 512;
const SENDS = 128;
/** MADs that wait for room in the send queue; more are dropped, and their senders send them again. */
const BACKLOG = 4096;
/** Address handles kept; with more the table starts anew. */
const AHS = 1024;
const POLL = 64;

interface Waiting {
  readonly to: MadAddress;
  readonly mad: Uint8Array;
}

export class Gsi implements MadPort {
  readonly device: Device;
  readonly caGuid: Uint8Array;
  onMad: ((from: MadAddress, mad: Uint8Array) => void) | null = null;
  /** Called when something was posted: whoever drives the device has work to do. */
  onPosted: (() => void) | null = null;
  /** MADs that could not be sent: no address of the peer's kind, or too many at once. */
  dropped = 0;
  private readonly context: Context;
  private readonly pd: ProtectionDomain;
  private readonly cq: CompletionQueue;
  private readonly qp: QueuePair;
  private readonly memory = Buffer.alloc((RECVS + SENDS) * SLOT);
  private readonly mr: MemoryRegion;
  private readonly ahs = new Map<string, AddressHandle>();
  private readonly free: number[] = [];
  private readonly waiting: Waiting[] = [];
  private readonly completions: WorkCompletion[] = [];
  private readonly recvWr = new RecvWr();
  private readonly sendWr = new SendWr();

  constructor(device: Device) {
    this.device = device;
    this.caGuid = device.attributes.nodeGuid;
    // A Q_Key with the high bit set is a privileged one.
    this.context = openContext(device, { owner: 'cm', rights: { management: true, netRaw: true } });
    try {
      this.pd = allocPd(this.context);
      this.cq = createCq(this.context, RECVS + SENDS);
      this.mr = regMr(this.pd, new LocalMemory(this.memory), { access: Access.LOCAL_WRITE, iova: 0 });
      const cap = { maxSendWr: SENDS, maxRecvWr: RECVS, maxSendSge: 1, maxRecvSge: 1, maxInlineData: 0 };
      this.qp = createQp(this.pd, { type: QpType.GSI, sendCq: this.cq, recvCq: this.cq, cap });
      this.start();
    } catch (error) {
      closeContext(this.context);
      throw error;
    }
  }

  private start(): void {
    const { qp } = this;
    modifyQp(qp, { state: QpState.INIT, pkeyIndex: 0, qkey: GSI_QKEY }, A.STATE | A.PKEY_INDEX | A.QKEY);
    modifyQp(qp, { state: QpState.RTR }, A.STATE);
    modifyQp(qp, { state: QpState.RTS, sqPsn: 0 }, A.STATE | A.SQ_PSN);
    for (let i = 0; i < RECVS; i++) this.post(i);
    for (let i = RECVS; i < RECVS + SENDS; i++) this.free.push(i);
  }

  private post(slot: number): void {
    this.recvWr.wrId = slot;
    this.recvWr.sge = [{ addr: slot * SLOT, length: SLOT, lkey: this.mr.lkey }];
    this.recvWr.numSge = 1;
    this.device.ops.postRecv(this.qp, this.recvWr);
  }

  send(to: MadAddress, mad: Uint8Array): void {
    if (this.context.closed) return;
    if (this.waiting.length > 0 || !this.sendNow(to, mad)) {
      if (this.waiting.length < BACKLOG) this.waiting.push({ to, mad: Uint8Array.from(mad) });
      else this.dropped++;
    }
  }

  /** False when there is no room now. */
  private sendNow(to: MadAddress, mad: Uint8Array): boolean {
    const slot = this.free.pop();
    if (slot === undefined) return false;
    const ah = this.handle(to);
    if (ah === null) {
      this.dropped++;
      this.free.push(slot);
      return true;
    }
    this.memory.set(mad, slot * SLOT);
    const wr = this.sendWr;
    wr.wrId = slot;
    wr.opcode = WrOpcode.SEND;
    wr.flags = SendFlags.SIGNALED;
    wr.sge = [{ addr: slot * SLOT, length: MAD_LEN, lkey: this.mr.lkey }];
    wr.numSge = 1;
    wr.ah = ah;
    wr.remoteQpn = GSI_QPN;
    wr.remoteQkey = GSI_QKEY;
    this.device.ops.postSend(this.qp, wr);
    this.onPosted?.();
    return true;
  }

  private handle(to: MadAddress): AddressHandle | null {
    const key = `${Buffer.from(to.gid).toString('hex')} ${to.sgidIndex} ${to.trafficClass} ${to.hopLimit}`;
    const known = this.ahs.get(key);
    if (known !== undefined) return known;
    // What is posted may still need its handle.
    if (this.ahs.size >= AHS && this.free.length === SENDS - 1) {
      for (const ah of this.ahs.values()) destroyAh(ah);
      this.ahs.clear();
    }
    const { gid: dgid, sgidIndex, trafficClass, hopLimit, flowLabel } = to;
    try {
      const ah = createAh(this.pd, { dgid, sgidIndex, trafficClass, hopLimit, flowLabel, port: 1, sl: 0, dlid: 0 });
      this.ahs.set(key, ah);
      return ah;
    } catch {
      // An address that this device cannot reach: as if it were lost.
      return null;
    }
  }

  /** Takes in what has arrived; whoever drives the device calls it after each step of the engine. */
  poll(): void {
    if (this.context.closed) return;
    const { ops } = this.device;
    for (;;) {
      const n = ops.pollCq(this.cq, POLL, this.completions);
      for (let i = 0; i < n; i++) this.complete(this.completions[i]);
      if (n < POLL || this.context.closed) return;
    }
  }

  private complete(wc: WorkCompletion): void {
    const slot = wc.wrId;
    if (slot >= RECVS) {
      this.free.push(slot);
      // A refused send stops the queue of a datagram service (IBTA 10.3.1); the others shall not suffer.
      if (this.qp.state === QpState.SQE) modifyQp(this.qp, { state: QpState.RTS }, A.STATE);
      const next = this.waiting.shift();
      if (next !== undefined) this.sendNow(next.to, next.mad);
      return;
    }
    if (wc.status !== WcStatus.SUCCESS) return;
    try {
      if (wc.opcode === WcOpcode.RECV && wc.byteLen === SLOT && wc.srcQp === GSI_QPN) this.deliver(slot * SLOT);
    } finally {
      if (!this.context.closed) this.post(slot);
    }
  }

  private deliver(at: number): void {
    const { memory } = this;
    const v6 = memory[at] >> 4 === 6;
    // IBTA A17.4.5.2: an IPv4 header stands in the last 20 bytes of the GRH's place.
    const ip = v6 ? at : at + 20;
    const src = v6 ? memory.subarray(ip + 8, ip + 24) : memory.subarray(ip + 12, ip + 16);
    const dst = v6 ? memory.subarray(ip + 24, ip + 40) : memory.subarray(ip + 16, ip + 20);
    const sgidIndex = this.device.gids.indexOf(gidFromAddress(dst));
    if (sgidIndex < 0) return;
    const from = { gid: gidFromAddress(src), sgidIndex, trafficClass: 0, hopLimit: 64, flowLabel: 0 };
    this.onMad?.(from, memory.subarray(at + GRH_LEN, at + SLOT));
  }

  close(): void {
    if (this.context.closed) return;
    this.waiting.length = 0;
    closeContext(this.context);
  }
}
