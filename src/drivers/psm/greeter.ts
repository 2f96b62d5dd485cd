// How endpoints find each other: a datagram asks, a datagram answers, and what is lost is asked again.

import type { AddressHandle } from '../../core/ah.ts';
import { QpAttrMask as M, QpState, QpType, WcStatus, WrOpcode } from '../../core/constants.ts';
import type { CompletionQueue } from '../../core/cq.ts';
import type { ProtectionDomain } from '../../core/pd.ts';
import type { QueuePair } from '../../core/qp.ts';
import { createAh, createCq, createQp, destroyAh, destroyCq, destroyQp, modifyQp } from '../../core/verbs.ts';
import { RecvWr, SendWr, type WorkCompletion } from '../../core/work.ts';
import { epidOf, type Greeting, HELLO, lidOfEpid, qpnOfEpid, readGreeting, writeGreeting } from './protocol.ts';
import { Slots } from './slots.ts';

const GRH = 40;
/** Where a LID stands in the source GID of a GRH. */
const SGID_LID = 22;
const QKEY = 0x50534d32;
const BUFFERS = 16;

export class Greeter {
  readonly qpn: number;
  private readonly cq: CompletionQueue;
  private readonly qp: QueuePair;
  private readonly slots: Slots;
  private readonly out: Slots;
  private readonly pd: ProtectionDomain;
  private readonly ways = new Map<number, AddressHandle>();
  private readonly wcs: WorkCompletion[] = [];

  constructor(pd: ProtectionDomain) {
    this.pd = pd;
    this.cq = createCq(pd.context, 4 * BUFFERS);
    const cap = { maxSendWr: BUFFERS, maxRecvWr: BUFFERS, maxSendSge: 1, maxRecvSge: 1, maxInlineData: 0 };
    this.qp = createQp(pd, { type: QpType.UD, sendCq: this.cq, recvCq: this.cq, cap });
    this.qpn = this.qp.qpn;
    this.slots = new Slots(pd, BUFFERS, GRH + HELLO);
    this.out = new Slots(pd, BUFFERS, HELLO);
    modifyQp(
      this.qp,
      { state: QpState.INIT, pkeyIndex: 0, port: 1, qkey: QKEY },
      M.STATE | M.PKEY_INDEX | M.PORT | M.QKEY,
    );
    modifyQp(this.qp, { state: QpState.RTR }, M.STATE);
    modifyQp(this.qp, { state: QpState.RTS, sqPsn: 0 }, M.STATE | M.SQ_PSN);
    for (let slot = this.slots.take(); slot >= 0; slot = this.slots.take()) this.listen(slot);
  }

  private listen(slot: number): void {
    const wr = new RecvWr();
    wr.wrId = slot;
    wr.sge = [this.slots.sge(slot)];
    wr.numSge = 1;
    this.qp.context.device.ops.postRecv(this.qp, wr);
  }

  /** Unreliable, like everything here: when no slot is free it is not said this time. */
  say(to: number, greeting: Greeting): void {
    const slot = this.out.take();
    if (slot < 0) return;
    writeGreeting(this.out.bytes, this.out.at(slot), greeting);
    const wr = new SendWr();
    wr.wrId = BUFFERS + slot;
    wr.opcode = WrOpcode.SEND;
    wr.flags = 2;
    wr.sge = [this.out.sge(slot)];
    wr.numSge = 1;
    wr.ah = this.wayTo(lidOfEpid(to));
    wr.remoteQpn = qpnOfEpid(to);
    wr.remoteQkey = QKEY;
    this.qp.context.device.ops.postSend(this.qp, wr);
  }

  private wayTo(dlid: number): AddressHandle {
    let ah = this.ways.get(dlid);
    if (ah === undefined) {
      const dgid = new Uint8Array(16);
      ah = createAh(this.pd, { dgid, sgidIndex: 0, trafficClass: 0, hopLimit: 0, flowLabel: 0, port: 1, sl: 0, dlid });
      this.ways.set(dlid, ah);
    }
    return ah;
  }

  /** Hands over what has been said. */
  hear(listener: (greeting: Greeting) => void): void {
    const { ops } = this.qp.context.device;
    for (let n = ops.pollCq(this.cq, BUFFERS, this.wcs); n > 0; n = ops.pollCq(this.cq, BUFFERS, this.wcs)) {
      for (let i = 0; i < n; i++) {
        const { wrId, status, byteLen, srcQp } = this.wcs[i];
        if (wrId >= BUFFERS) {
          this.out.give(wrId - BUFFERS);
          continue;
        }
        const heard = status === WcStatus.SUCCESS && byteLen === GRH + HELLO;
        const at = this.slots.at(wrId);
        const greeting = heard ? readGreeting(this.slots.bytes, at + GRH) : null;
        // Who speaks is who the fabric says: the GRH's source, and the queue pair it came from.
        const epid = epidOf(this.slots.bytes.readUInt16BE(at + SGID_LID), srcQp);
        if (this.qp.state === QpState.RTS) this.listen(wrId);
        if (greeting?.epid === epid) listener(greeting);
      }
    }
  }

  close(): void {
    destroyQp(this.qp);
    destroyCq(this.cq);
    for (const ah of this.ways.values()) destroyAh(ah);
    this.slots.close();
    this.out.close();
  }
}
