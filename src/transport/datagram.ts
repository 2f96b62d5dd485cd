// Taking packets in without acknowledging them: unreliable connections and unreliable datagrams (IBTA 9.8.2, 9.8.3).
import { Access, QpState, QpType, WcFlags, WcOpcode, WcStatus } from '../core/constants.ts';
import { getU32 } from '../wire/bytes.ts';
import { dethQkey, dethSqpn } from '../wire/deth.ts';
import {
  OPF_END,
  OPF_IMM,
  OPF_RETH,
  OPF_RWR,
  OPF_SEND,
  OPF_START,
  OPF_WRITE,
  opcodeDethOff,
  opcodeFlags,
  opcodeImmOff,
  opcodeRethOff,
} from '../wire/opcodes.ts';
import { scatterRecv } from './data.ts';
import type { Engine } from './engine.ts';
import { isSolicited, lengthOk, packetsOf, sequenceOk } from './packet-checks.ts';
import type { Inbound } from './port.ts';
import { psnAdd } from './psn.ts';
import { InMessage, type SoftQp } from './qp.ts';
import { swap32 } from './wqe.ts';

/** Bytes before the payload in a UD receive buffer: the GRH (RoCEv2: the IP header in it, IBTA A17.4.5.2). */
export const GRH_LEN = 40;

export class DatagramReceiver {
  private readonly engine: Engine;
  private readonly grh = Buffer.from(new ArrayBuffer(GRH_LEN));

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /** A packet of an unreliable connection. A gap, or anything wrong, drops the message it is in; the peer is not told. */
  receiveUc(qp: SoftQp, packet: Inbound, opcode: number, psn: number, payload: number, length: number): void {
    if (qp.attr.state < QpState.RTR || qp.attr.state === QpState.ERR) return;
    const flags = opcodeFlags[opcode];
    const gap = psn !== qp.ePsn;
    // IBTA 9.8.2: whatever its PSN, a first packet begins a message; the rest must follow without a gap.
    qp.ePsn = psnAdd(psn, packetsOf(qp, length));
    if (flags & OPF_START) this.abandon(qp);
    else if (gap || !sequenceOk(qp, flags)) return this.abandon(qp);
    if (!lengthOk(qp, flags, length, packet.jumbo === true)) return this.abandon(qp);
    if (flags & OPF_SEND) this.send(qp, packet, opcode, flags, payload, length);
    else if (flags & OPF_WRITE) this.write(qp, packet, opcode, flags, payload, length);
  }

  /** The message in hand is lost; its receive work request waits for the next one. */
  private abandon(qp: SoftQp): void {
    qp.inMessage = InMessage.NONE;
    qp.recvOffset = 0;
  }

  private send(qp: SoftQp, packet: Inbound, opcode: number, flags: number, payload: number, length: number): void {
    if (flags & OPF_START) {
      if (!qp.recv.active && !this.engine.takeRecv(qp)) return;
      qp.recvOffset = 0;
      qp.inMessage = InMessage.SEND;
    }
    // Too long for its buffers: the message is dropped (IBTA 9.8.2; Linux rxe RESPST_ERR_LENGTH, class D).
    if (qp.recvOffset + length > qp.recv.length) return this.abandon(qp);
    const status = scatterRecv(
      this.engine.keys,
      this.engine.placement,
      qp,
      qp.recv,
      qp.recvOffset,
      length,
      packet.body,
      payload,
    );
    if (status !== WcStatus.SUCCESS) return this.localError(qp, status);
    qp.recvOffset += length;
    if (flags & OPF_END) this.complete(qp, packet, opcode, flags, WcOpcode.RECV, qp.recvOffset);
  }

  private write(qp: SoftQp, packet: Inbound, opcode: number, flags: number, payload: number, length: number): void {
    const keys = this.engine.keys;
    if (flags & OPF_RETH) {
      qp.beginWrite(packet.buf, packet.off + opcodeRethOff[opcode]);
      if ((qp.attr.accessFlags & Access.REMOTE_WRITE) === 0) return;
    }
    if (length > qp.writeLeft || (flags & OPF_END && length !== qp.writeLeft)) return this.abandon(qp);
    if (flags & OPF_RWR && !qp.recv.active && !this.engine.takeRecv(qp)) return this.abandon(qp);
    if (length > 0) {
      if (!keys.remote(qp.writeRkey, qp, qp.writeVa, length, Access.REMOTE_WRITE)) return this.abandon(qp);
      if (!this.engine.placement.write(qp, keys.memory!, keys.offset, packet.body, payload, length))
        return this.abandon(qp);
    }
    qp.writeVa += length;
    qp.writeLeft -= length;
    qp.inMessage = InMessage.WRITE;
    if (flags & OPF_END) {
      if (flags & OPF_RWR) this.complete(qp, packet, opcode, flags, WcOpcode.RECV_RDMA_WITH_IMM, qp.writeTotal);
      else qp.inMessage = InMessage.NONE;
    }
  }

  private complete(
    qp: SoftQp,
    { buf, off }: Inbound,
    opcode: number,
    flags: number,
    wcOpcode: number,
    byteLen: number,
  ): void {
    this.engine.placement.settle();
    if (qp.inMessage === InMessage.NONE) return;
    const imm = flags & OPF_IMM ? swap32(getU32(buf, off + opcodeImmOff[opcode])) : 0;
    const wcFlags = flags & OPF_IMM ? WcFlags.WITH_IMM : 0;
    qp.inMessage = InMessage.NONE;
    this.engine.completeRecv(qp, WcStatus.SUCCESS, wcOpcode, byteLen, imm, wcFlags, isSolicited(buf, off), 0);
  }

  /** What was held back could not be written (see `Placement`). */
  unplaced(qp: SoftQp): void {
    if (qp.attr.state === QpState.ERR) return;
    const sent = qp.type !== QpType.UC || qp.inMessage === InMessage.SEND;
    this.abandon(qp);
    if (sent) this.localError(qp, WcStatus.LOC_PROT_ERR);
  }

  private localError(qp: SoftQp, status: number): void {
    if (qp.attr.state === QpState.ERR) return;
    this.engine.completeRecv(qp, status, WcOpcode.RECV, 0, 0, 0, true, 0);
    this.engine.enterError(qp);
  }

  /** A datagram: without a receive work request, or with the wrong Q_Key, it is dropped (IBTA 9.8.3, 10.2.5). */
  receiveUd(qp: SoftQp, packet: Inbound, opcode: number, payload: number, length: number): void {
    if (qp.attr.state < QpState.RTR || qp.attr.state === QpState.ERR) return;
    const { buf, off } = packet;
    const engine = this.engine;
    const deth = off + opcodeDethOff[opcode];
    if (dethQkey(buf, deth) !== qp.attr.qkey) {
      engine.counters.bad_qkey++;
      return;
    }
    const recv = qp.recv;
    const total = GRH_LEN + length;
    // C9-205: a datagram too long for its buffers is dropped; the receive work request waits for the next.
    if ((!recv.active && !engine.takeRecv(qp)) || total > recv.length) {
      engine.counters.dropped_pkts++;
      return;
    }
    packet.writeGrh(this.grh, 0);
    let status = scatterRecv(engine.keys, engine.placement, qp, recv, 0, GRH_LEN, this.grh, 0);
    if (status === WcStatus.SUCCESS)
      status = scatterRecv(engine.keys, engine.placement, qp, recv, GRH_LEN, length, packet.body, payload);
    if (status !== WcStatus.SUCCESS) return this.localError(qp, status);
    engine.placement.settle();
    if (!recv.active) return;
    const flags = opcodeFlags[opcode];
    const imm = flags & OPF_IMM ? swap32(getU32(buf, off + opcodeImmOff[opcode])) : 0;
    const wcFlags = WcFlags.GRH | (flags & OPF_IMM ? WcFlags.WITH_IMM : 0);
    const { rcq } = qp;
    rcq.slid = packet.slid ?? 0;
    rcq.sl = packet.sl ?? 0;
    engine.completeRecv(
      qp,
      WcStatus.SUCCESS,
      WcOpcode.RECV,
      total,
      imm,
      wcFlags,
      isSolicited(buf, off),
      dethSqpn(buf, deth),
    );
    rcq.slid = 0;
    rcq.sl = 0;
  }
}
