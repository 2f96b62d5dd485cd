// The engine: takes packets off the port, gives them to the queue pairs they are for, lets queue pairs send in turns, and
// keeps their timers. It never blocks and owns no thread, socket or clock: whoever owns it calls progress().
import { EventType, QpState, QpType, WcOpcode, WcStatus } from '../core/constants.ts';
import type { Injector } from '../core/injector.ts';
import type { KeyTable } from '../core/keys.ts';
import { BTH_LEN, bthOpcode, bthPad, bthPkey, bthPsn, bthQpn, bthTver } from '../wire/bth.ts';
import {
  OP_ACKNOWLEDGE,
  OPF_REQUEST,
  opcodeFlags,
  opcodeHeaderLen,
  opcodeTransport,
  TRANSPORT_CNP,
  TRANSPORT_OWN,
  TRANSPORT_RC,
  TRANSPORT_UC,
  TRANSPORT_UD,
} from '../wire/opcodes.ts';
import { PROBE_QPN } from '../wire/probe.ts';
import type { SoftAh } from './ah.ts';
import { Completer } from './completer.ts';
import { congestionMet, congestionNotified } from './congestion.ts';
import { Counters } from './counters.ts';
import type { SoftCq } from './cq.ts';
import { DatagramReceiver } from './datagram.ts';
import { packetsOf } from './packet-checks.ts';
import { Placement } from './placement.ts';
import type { Inbound, Port } from './port.ts';
import { Prober } from './prober.ts';
import { InMessage, type Resource, type SoftQp } from './qp.ts';
import { QpList } from './qp-list.ts';
import { ReadAhead } from './read-ahead.ts';
import { Replier } from './replier.ts';
import { Requester } from './requester.ts';
import { Responder } from './responder.ts';
import { Timers } from './timers.ts';

/** Packets one queue pair may send before the next has its turn. */
const TURN = 32;
/** Packets taken off the port before what they led to is sent. */
const RX_BUDGET = 128;
/** Doorbells that may be gathered, until the program looks at the network again, before they are sent. */
const GATHER = 16;
const ACK_LEN = opcodeHeaderLen[OP_ACKNOWLEDGE];
const MULTICAST_QPN = 0xffffff;

/** What the engine needs of the device it belongs to. */
export interface EngineHost {
  readonly keys: KeyTable;
  /** The P_Key at an index of the port's table. */
  pkeyAt(index: number): number;
  /** May packets with `theirs` be taken by a holder of `ours`? */
  pkeysMatch(ours: number, theirs: number): boolean;
  /** Queue pairs attached to a multicast group. */
  membersOf(group: Uint8Array): readonly SoftQp[];
  /** Failures made on purpose. */
  readonly injector?: Injector | null;
}

export class Engine {
  readonly port: Port;
  readonly keys: KeyTable;
  readonly counters = new Counters();
  readonly qps = new Map<number, SoftQp>();
  readonly ahs = new Map<number, SoftAh>();
  /** Answers of READs and ATOMICs that have been given, for the next ones. */
  readonly spareJobs: Resource[] = [];
  readonly requester: Requester;
  readonly completer: Completer;
  readonly prober: Prober;
  readonly ahead = new ReadAhead();
  readonly placement = new Placement((qp, psn) => this.unplaced(qp, psn));
  /** Tell peers how many receive work requests there are (credits.ts)? Off, as in Linux rxe: they hear "no limit". */
  announceCredits = false;
  readonly injector: Injector | null;
  /** Microseconds, of the injected clock; read once per call of progress(). */
  now = 0;
  private readonly host: EngineHost;
  private readonly clock: () => number;
  private readonly responder: Responder;
  private readonly replier: Replier;
  private readonly datagrams: DatagramReceiver;
  private readonly timers = new Timers();
  private active = new QpList();
  private resting = new QpList();
  private readonly acks = new QpList();
  private unflushed = false;
  /** The last look took in all it may: there may be more. */
  private behind = false;
  /** The last look found nothing. The packets of the last look that found some were there at once: there is no time to spare. */
  private waited = false;
  private hurried = false;
  /** Doorbells since the last call of progress(). */
  private rings = 0;
  /** Those of queue pairs in error: a poster that fills a long queue again and again must not keep us from the others. */
  private flushes = 0;
  private readonly receive = (packet: Inbound): void => this.dispatch(packet);

  constructor(host: EngineHost, port: Port, clock: () => number) {
    this.host = host;
    this.keys = host.keys;
    this.injector = host.injector ?? null;
    this.port = port;
    this.clock = clock;
    this.requester = new Requester(this);
    this.completer = new Completer(this);
    this.prober = new Prober(this);
    this.responder = new Responder(this);
    this.replier = new Replier(this);
    this.datagrams = new DatagramReceiver(this);
    this.now = clock();
  }

  /**
   * Takes in what has arrived, runs due timers and sends what can be sent; the number of packets taken in. Acknowledgements
   * that these packets lead to leave with the next call: a program that has waited for the packets gets them first, and
   * what it posts in answer leaves before them. `idle` is false while there is something left to do.
   */
  progress(): number {
    this.now = this.clock();
    this.rings = 0;
    this.flushes = 0;
    if (this.acks.count > 0) this.sendAcks(false);
    const received = this.port.poll(this.receive, RX_BUDGET);
    this.placement.settle();
    if (received > 0) {
      this.hurried = !this.waited;
      this.waited = false;
    } else this.waited = true;
    this.behind = received >= RX_BUDGET;
    if (this.timers.next <= this.now) this.runTimers();
    if (this.prober.next <= this.now) this.prober.expire();
    if (this.active.count > 0) this.runActive();
    if (this.unflushed) this.flush();
    return received;
  }

  /** Nothing waits to be sent or taken in: the owner may sleep until a packet arrives or `nextDeadline` comes. */
  get idle(): boolean {
    return this.acks.count === 0 && this.active.count === 0 && !this.unflushed && !this.behind;
  }

  /** When progress() must be called even though nothing arrives; Infinity: never. */
  get nextDeadline(): number {
    return Math.min(this.timers.next, this.prober.next);
  }

  /** Work requests were posted to `qp`'s send queue. */
  doorbell(qp: SoftQp): void {
    this.now = this.clock();
    if (qp.attr.state === QpState.ERR || qp.attr.state === QpState.SQE) {
      if (this.flushes++ === 0) this.completer.flush(qp);
      else this.activate(qp);
      return;
    }
    this.activate(qp);
    // The first after a look at the network leaves at once; a program that posts more without looking has them sent together.
    if (this.rings > 0 && this.rings < GATHER) {
      this.rings++;
      return;
    }
    this.rings = 1;
    this.runActive();
    if (this.hurried && this.acks.count > 0) this.sendAcks(true);
    if (this.unflushed) this.flush();
  }

  /** Receive work requests were posted: they are flushed if the queue pair is in error, and otherwise wait. */
  recvPosted(qp: SoftQp): void {
    if (qp.attr.state === QpState.ERR) this.flushRecv(qp);
  }

  /** Something was committed outside of a turn. */
  flushSoon(): void {
    this.unflushed = true;
  }

  private flush(): void {
    this.unflushed = !this.port.flush();
  }

  private dispatch(packet: Inbound): void {
    const { buf, off, len } = packet;
    const counters = this.counters;
    this.placement.lasting = packet.lasting === true;
    counters.rcvd_pkts++;
    if (len < BTH_LEN) {
      counters.dropped_pkts++;
      return;
    }
    const opcode = bthOpcode(buf, off);
    const header = opcodeHeaderLen[opcode];
    const pad = bthPad(buf, off);
    const length = len - header - pad;
    // IBTA 9.6: unknown opcode, version or a packet shorter than its headers say: silently dropped.
    if (header === 0 || length < 0 || (len & 3) !== 0 || bthTver(buf, off) !== 0) {
      counters.dropped_pkts++;
      return;
    }
    const qpn = bthQpn(buf, off);
    if (qpn === MULTICAST_QPN) {
      if (packet.group === null || opcodeTransport[opcode] !== TRANSPORT_UD) counters.dropped_pkts++;
      else for (const qp of this.host.membersOf(packet.group)) this.deliver(qp, packet, opcode, header, length);
      return;
    }
    const qp = this.qps.get(qpn);
    if (qp === undefined || packet.group !== null) {
      if (qpn !== PROBE_QPN || !this.probed(packet, opcode, length)) counters.dropped_pkts++;
      return;
    }
    this.deliver(qp, packet, opcode, header, length);
  }

  private probed(packet: Inbound, opcode: number, length: number): boolean {
    if (opcodeTransport[opcode] !== TRANSPORT_OWN || packet.group !== null) return false;
    if (!this.host.pkeysMatch(this.defaultPkey, bthPkey(packet.buf, packet.off))) return false;
    return this.prober.receive(packet, opcode, length);
  }

  private deliver(qp: SoftQp, packet: Inbound, opcode: number, header: number, length: number): void {
    const { buf, off } = packet;
    // C9-43; the rule for QP1, C9-42, comes to the same where the port has one P_Key.
    if (!this.host.pkeysMatch(this.pkey(qp), bthPkey(buf, off))) {
      this.counters.bad_pkey++;
      return;
    }
    const payload = packet.bodyOff + header;
    const transport = opcodeTransport[opcode];
    if (packet.jumbo === true) this.counters.rcvd_pkts += packetsOf(qp, length) - 1;
    if (qp.type === QpType.UD || qp.type === QpType.GSI) {
      if (transport === TRANSPORT_UD) this.datagrams.receiveUd(qp, packet, opcode, payload, length);
      else this.counters.dropped_pkts++;
      return;
    }
    // A connected queue pair hears its peer only (Linux rxe check_addr).
    if (qp.path === null || !packet.isFrom(qp.path)) {
      this.counters.dropped_pkts++;
      return;
    }
    if (transport === TRANSPORT_CNP) {
      congestionNotified(this, qp);
      return;
    }
    if (packet.congested) congestionMet(this, qp, opcode);
    const psn = bthPsn(buf, off);
    if (qp.type === QpType.RC && transport === TRANSPORT_RC) {
      if (opcodeFlags[opcode] & OPF_REQUEST) {
        this.responder.receive(qp, packet, opcode, psn, payload, length);
      } else {
        this.completer.receive(qp, packet, opcode, psn, payload, length);
      }
    } else if (qp.type === QpType.UC && transport === TRANSPORT_UC) {
      this.datagrams.receiveUc(qp, packet, opcode, psn, payload, length);
    } else {
      this.counters.dropped_pkts++;
    }
  }

  pkey(qp: SoftQp): number {
    return this.host.pkeyAt(qp.attr.pkeyIndex);
  }

  /** That of what belongs to no queue pair. */
  get defaultPkey(): number {
    return this.host.pkeyAt(0);
  }

  // Sending in turns

  activate(qp: SoftQp): void {
    if (qp.queued) return;
    qp.queued = true;
    this.active.push(qp);
  }

  wake(qps: SoftQp[] | null): void {
    if (qps === null) return;
    for (const qp of qps) {
      qp.waitsForWindow = false;
      this.activate(qp);
    }
  }

  private runActive(): void {
    const turn = this.active;
    this.active = this.resting;
    for (let i = 0; i < turn.count; i++) {
      const qp = turn.at(i);
      qp.queued = false;
      const replying = qp.jobs.length > 0 && this.replier.run(qp, TURN);
      const sending = this.requester.run(qp, TURN);
      if (replying || sending) this.activate(qp);
    }
    turn.drop(turn.count);
    this.resting = turn;
    this.unflushed = true;
  }

  queueAck(qp: SoftQp): void {
    if (qp.ackQueued) return;
    qp.ackQueued = true;
    this.acks.push(qp);
  }

  /** `along`: only those that cost nothing, because they leave together with something else. */
  private sendAcks(along: boolean): void {
    const { acks, port } = this;
    const { count } = acks;
    for (let i = 0; i < count; i++) {
      const qp = acks.at(i);
      if (along && (qp.path === null || !port.joins?.(qp.path, ACK_LEN))) {
        acks.drop(i);
        return;
      }
      // No room on its way, which need not be that of others: after the next flush.
      if (this.replier.acknowledge(qp)) qp.ackQueued = false;
      else acks.push(qp);
    }
    acks.drop(count);
    this.unflushed = true;
  }

  // Timers

  armAckTimer(qp: SoftQp): void {
    qp.ackDeadline = qp.timeoutUs === 0 ? Number.POSITIVE_INFINITY : this.now + qp.timeoutUs;
    this.setDeadline(qp);
  }

  stopAckTimer(qp: SoftQp): void {
    qp.ackDeadline = Number.POSITIVE_INFINITY;
    this.setDeadline(qp);
  }

  setDeadline(qp: SoftQp): void {
    qp.deadline = qp.rnrUntil > 0 ? Math.min(qp.rnrUntil, qp.ackDeadline) : qp.ackDeadline;
    if (qp.paceUntil > 0) qp.deadline = Math.min(qp.deadline, qp.paceUntil);
    this.timers.update(qp);
  }

  /** Has `qp` to wait for its pace? Then it has another turn when it need not. */
  mustWait(qp: SoftQp): boolean {
    const at = qp.pace!.readyAt(this.now);
    if (at <= this.now) return false;
    qp.paceUntil = at;
    this.setDeadline(qp);
    return true;
  }

  private runTimers(): void {
    for (let qp = this.timers.due(this.now); qp !== null; qp = this.timers.due(this.now)) {
      if (qp.rnrUntil > 0 && qp.rnrUntil <= this.now) {
        qp.rnrUntil = 0;
        this.activate(qp);
      }
      if (qp.paceUntil > 0 && qp.paceUntil <= this.now) {
        qp.paceUntil = 0;
        this.activate(qp);
      }
      if (qp.ackDeadline <= this.now) {
        qp.ackDeadline = Number.POSITIVE_INFINITY;
        this.completer.timeout(qp);
      }
      this.setDeadline(qp);
    }
  }

  // Receive work requests

  /** Takes the next receive work request for `qp` into `qp.recv`; false when none is posted. */
  takeRecv(qp: SoftQp): boolean {
    const srq = qp.softSrq;
    if (srq === null) return qp.recv.take(qp.rq!);
    if (!qp.recv.take(srq.ring)) return false;
    srq.checkLimit();
    return true;
  }

  private unplaced(qp: SoftQp, psn: number): void {
    if (qp.type === QpType.RC) this.responder.unplaced(qp, psn);
    else this.datagrams.unplaced(qp);
  }

  /** Completes the request in `qp.recv`. */
  completeRecv(
    qp: SoftQp,
    status: number,
    opcode: number,
    byteLen: number,
    ex: number,
    flags: number,
    solicited: boolean,
    srcQp: number,
  ): void {
    const recv = qp.recv;
    recv.active = false;
    qp.rcq.complete(recv.wrIdLo, recv.wrIdHi, status, opcode, byteLen, ex, qp.qpn, srcQp, flags, solicited);
  }

  private flushRecv(qp: SoftQp): void {
    const recv = qp.recv;
    const { WR_FLUSH_ERR } = WcStatus;
    const { RECV } = WcOpcode;
    if (recv.active) this.completeRecv(qp, WR_FLUSH_ERR, RECV, 0, 0, 0, false, 0);
    // What is on a shared queue stays there for the other queue pairs.
    if (qp.rq !== null) while (recv.take(qp.rq)) this.completeRecv(qp, WR_FLUSH_ERR, RECV, 0, 0, 0, false, 0);
  }

  // States

  /** To the error state: all that is posted is flushed, and what is posted later (C9-220; `ib_drain_qp`'s promise). */
  enterError(qp: SoftQp): void {
    if (qp.attr.state === QpState.ERR) return;
    qp.attr.state = QpState.ERR;
    this.quiesce(qp);
    this.completer.flush(qp);
    this.flushRecv(qp);
    // o11-5.2.5: with an SRQ no flushed request tells that this queue pair takes no more.
    if (qp.softSrq !== null) qp.context.device.raise(EventType.QP_LAST_WQE_REACHED, qp);
  }

  /** The send queue met an error: RC ends with it, UC and UD keep receiving (state SQE, IBTA 10.3.1). */
  sendQueueError(qp: SoftQp): void {
    if (qp.type === QpType.RC) {
      this.enterError(qp);
      return;
    }
    if (qp.attr.state === QpState.ERR) return;
    qp.attr.state = QpState.SQE;
    this.completer.flush(qp);
  }

  /** Forgets all that was under way. */
  quiesce(qp: SoftQp): void {
    this.requester.releaseAll(qp);
    if (qp.type !== QpType.RC && qp.waitsForWindow) this.prober.forget(qp);
    qp.rnrUntil = 0;
    qp.paceUntil = 0;
    qp.ackDeadline = Number.POSITIVE_INFINITY;
    qp.deadline = Number.POSITIVE_INFINITY;
    this.timers.remove(qp);
    qp.jobs.length = 0;
    qp.ackSyndrome = -1;
    qp.inMessage = InMessage.NONE;
  }

  /** C9-218: the queue pairs of a completion queue that has overrun end, and each says so by an event. */
  overrun(cq: SoftCq): void {
    for (const qp of this.qps.values()) {
      if (qp.scq !== cq && qp.rcq !== cq) continue;
      this.enterError(qp);
      qp.context.device.raise(EventType.QP_FATAL, qp);
    }
  }

  /** Elements of the send queue have completed: tells whoever waits for the queue to drain (SQD). */
  drained(qp: SoftQp): void {
    if (qp.attr.state !== QpState.SQD || !qp.attr.sqDraining || qp.sq.consumer !== qp.sqFresh) return;
    qp.attr.sqDraining = false;
    if (qp.attr.enSqdAsyncNotify) qp.context.device.raise(EventType.SQ_DRAINED, qp);
  }
}
