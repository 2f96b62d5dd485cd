// What the responder sends: acknowledgements and NAKs, READ responses, ATOMIC acknowledgements, in the order of the requests.
import { Access, EventType } from '../core/constants.ts';
import {
  AETH_ACK,
  AETH_ACK_UNLIMITED,
  AETH_RNR_NAK,
  AETH_TYPE_MASK,
  NAK_PSN_SEQ,
  NAK_REM_ACC,
  NAK_REM_OP,
  writeAeth,
} from '../wire/aeth.ts';
import { writeAtomicAckEth } from '../wire/atomicacketh.ts';
import { BTH_LEN, BTH_PAD_SHIFT, writeBth } from '../wire/bth.ts';
import { CNP_LEN, writeCnp } from '../wire/cnp.ts';
import {
  OP_ACKNOWLEDGE,
  OP_ATOMIC_ACKNOWLEDGE,
  OP_READ_RESP_FIRST,
  OP_READ_RESP_LAST,
  OP_READ_RESP_MIDDLE,
  OP_READ_RESP_ONLY,
  opcodeHeaderLen,
} from '../wire/opcodes.ts';
import { ackSyndrome } from './credits.ts';
import type { Engine } from './engine.ts';
import { packetsNow } from './packet-checks.ts';
import { psnAdd } from './psn.ts';
import { type Resource, ResourceKind, type SoftQp } from './qp.ts';

export class Replier {
  private readonly engine: Engine;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /** Sends up to `budget` packets of answers that wait; true when there is more to send. */
  run(qp: SoftQp, budget: number): boolean {
    let left = budget;
    this.engine.ahead.forget();
    while (qp.jobs.length > 0) {
      if (left-- <= 0) return true;
      const job = qp.jobs[0];
      if (qp.pace !== null && job.kind === ResourceKind.READ && this.engine.mustWait(qp)) return false;
      const sent = job.kind === ResourceKind.READ ? this.readResponse(qp, job) : this.atomicResponse(qp, job);
      if (!sent) return true;
    }
    return false;
  }

  private readResponse(qp: SoftQp, job: Resource): boolean {
    const engine = this.engine;
    const packets = packetsNow(qp, job.length - job.offset);
    const size = Math.min(packets * qp.mtu, job.length - job.offset);
    const first = job.offset === 0;
    const last = job.offset + size === job.length;
    const opcode = first
      ? last
        ? OP_READ_RESP_ONLY
        : OP_READ_RESP_FIRST
      : last
        ? OP_READ_RESP_LAST
        : OP_READ_RESP_MIDDLE;
    const header = opcodeHeaderLen[opcode];
    const pad = -size & 3;
    const psn = psnAdd(job.psn, job.offset / qp.mtu);
    const port = engine.port;
    const at = port.begin(qp.path!, header + size + pad);
    if (at < 0) return false;
    const buf = port.buf;
    writeBth(buf, at, opcode, qp.mig | (pad << BTH_PAD_SHIFT), engine.pkey(qp), qp.attr.destQpn, false, psn);
    if (first || last) writeAeth(buf, at + BTH_LEN, ackSyndrome(qp, engine.announceCredits), job.msn);
    if (size > 0) {
      // Checked anew for each packet: a region may go while it is being read.
      const allowed = engine.keys.remote(job.rkey, qp, job.va + job.offset, size, Access.REMOTE_READ);
      if (!allowed || !this.read(job, buf, at + header, size)) {
        port.cancel();
        this.fail(qp, allowed ? NAK_REM_OP : NAK_REM_ACC, psn);
        return true;
      }
      buf.fill(0, at + header + size, at + header + size + pad);
    }
    port.end();
    engine.counters.sent_pkts += packets;
    if (qp.pace !== null) qp.pace.sent(size, engine.now);
    job.offset += size;
    if (last) this.finish(qp);
    return true;
  }

  /** Reads what the key that was checked last leads to. */
  private read(job: Resource, buf: Buffer, at: number, size: number): boolean {
    const { keys, ahead } = this.engine;
    return ahead.read(keys.memory!, keys.offset, job.length - job.offset, buf, at, size);
  }

  private atomicResponse(qp: SoftQp, job: Resource): boolean {
    const engine = this.engine;
    const port = engine.port;
    const at = port.begin(qp.path!, opcodeHeaderLen[OP_ATOMIC_ACKNOWLEDGE]);
    if (at < 0) return false;
    const buf = port.buf;
    writeBth(buf, at, OP_ATOMIC_ACKNOWLEDGE, qp.mig, engine.pkey(qp), qp.attr.destQpn, false, job.psn);
    writeAeth(buf, at + BTH_LEN, ackSyndrome(qp, engine.announceCredits), job.msn);
    writeAtomicAckEth(buf, at + BTH_LEN + 4, job.origHi, job.origLo);
    port.end();
    engine.counters.sent_pkts++;
    this.finish(qp);
    return true;
  }

  private finish(qp: SoftQp): void {
    this.engine.spareJobs.push(qp.jobs.shift()!);
    this.engine.ahead.forget();
    if (qp.jobs.length === 0 && qp.ackSyndrome >= 0) this.engine.queueAck(qp);
  }

  /** An answer cannot be given any more: refuse at its PSN, forget what came after it. */
  private fail(qp: SoftQp, syndrome: number, psn: number): void {
    qp.jobs.length = 0;
    qp.respStopped = true;
    qp.ackSyndrome = syndrome;
    qp.ackPsn = psn;
    this.engine.queueAck(qp);
    qp.context.device.raise(syndrome === NAK_REM_ACC ? EventType.QP_ACCESS_ERR : EventType.QP_REQ_ERR, qp);
  }

  /** A congestion notification packet to the peer; false when there is no room for it. */
  private notify(qp: SoftQp): boolean {
    const { port, counters } = this.engine;
    if (qp.path !== null) {
      const at = port.begin(qp.path, CNP_LEN);
      if (at < 0) return false;
      writeCnp(port.buf, at, qp.mig, this.engine.pkey(qp), qp.attr.destQpn);
      port.end();
      counters.sent_pkts++;
      counters.np_cnp_sent++;
    }
    qp.notificationDue = false;
    return true;
  }

  /** Sends the acknowledgement or NAK that waits, unless answers to earlier requests must go first. */
  acknowledge(qp: SoftQp): boolean {
    if (qp.notificationDue && !this.notify(qp)) return false;
    const syndrome = qp.ackSyndrome;
    if (syndrome < 0 || qp.path === null || qp.jobs.length > 0) return true;
    const engine = this.engine;
    const port = engine.port;
    const at = port.begin(qp.path, opcodeHeaderLen[OP_ACKNOWLEDGE]);
    if (at < 0) return false;
    writeBth(port.buf, at, OP_ACKNOWLEDGE, qp.mig, engine.pkey(qp), qp.attr.destQpn, false, qp.ackPsn);
    const positive = syndrome === AETH_ACK_UNLIMITED;
    writeAeth(port.buf, at + BTH_LEN, positive ? ackSyndrome(qp, engine.announceCredits) : syndrome, qp.msn);
    port.end();
    engine.counters.sent_pkts++;
    qp.ackSyndrome = -1;
    const type = syndrome & AETH_TYPE_MASK;
    if (type !== AETH_ACK && type !== AETH_RNR_NAK && syndrome !== NAK_PSN_SEQ) engine.enterError(qp);
    return true;
  }
}
