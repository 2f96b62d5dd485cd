// Asks receivers what they have taken in of what unreliable queue pairs sent them, and answers those who ask (wire/probe.ts).
//
// A probe carries how much has been sent; the receiver sends it back when it comes to it. As a probe is behind the packets it
// speaks of, in the same socket buffer, its answer says that they have been taken in, and the receiver keeps no account.
// Whoever does not know the packets drops them; after a while without an answer it is sent to without a window.
import { ECHO, PROBE } from '../wire/opcodes.ts';
import { isProbe, PROBE_PACKET_LEN, probeCount, probeGrant, probeToken, writeProbe } from '../wire/probe.ts';
import type { Engine } from './engine.ts';
import type { Inbound, Path } from './port.ts';
import type { SoftQp } from './qp.ts';
import type { Unconfirmed } from './unconfirmed.ts';

/** A lost probe or answer: asked again after so long, and then after twice as long each time, up to so long. */
const AGAIN_US = 4000;
const AGAIN_MOST_US = 16_000;
/** Without an answer for so long, from a peer that never gave one, and from one that did: what is on its way is given up. */
const UNKNOWN_US = 100_000;
const KNOWN_US = 250_000;
/** So often one after the other, and there is no window until it answers. */
const PATIENCE_UNKNOWN = 1;
const PATIENCE_KNOWN = 3;
/** Who has asked within this time shares the receive buffer. */
const ACTIVE_US = 50_000;
const SWEEP_US = 5000;
/** Of the buffer at least this part is for them, however much of it READ responses may take. */
const FLOOR = 1 / 4;
/** More than so many who ask within {@link ACTIVE_US} are not answered: their addresses may be made up. */
const MOST_SENDERS = 4096;

export class Prober {
  /** When something is to be done without a packet coming in. */
  next = Number.POSITIVE_INFINITY;
  private readonly engine: Engine;
  private readonly waiting: Unconfirmed[] = [];
  private readonly asked = new Map<number, Unconfirmed>();
  /** Who has asked, by the way back, and when. */
  private readonly senders = new Map<Path, number>();
  private sweptAt = 0;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /** A packet of an unreliable queue pair has left. */
  sent(to: Unconfirmed, cost: number, path: Path): void {
    if (to.add(cost, path, this.engine.now)) this.probe(to);
  }

  /** The window is full: `qp` waits for the next answer. */
  wait(to: Unconfirmed, qp: SoftQp): void {
    if (!qp.waitsForWindow) {
      qp.waitsForWindow = true;
      to.waiters.push(qp);
    }
    if (to.waiting) return;
    const { now } = this.engine;
    to.waiting = true;
    to.stalledSince = Math.min(to.stalledSince, now);
    to.interval = AGAIN_US;
    to.probeAgainAt = now + AGAIN_US;
    this.waiting.push(to);
    this.next = Math.min(this.next, to.probeAgainAt);
    if (to.unasked) this.probe(to);
  }

  /** False when there was no room for it. */
  private probe(to: Unconfirmed): boolean {
    const { engine } = this;
    const { port } = engine;
    const at = port.begin(to.path!, PROBE_PACKET_LEN);
    if (at < 0) return false;
    writeProbe(port.buf, at, PROBE, engine.defaultPkey, to.token, to.count, 0);
    port.end();
    engine.counters.sent_pkts++;
    engine.counters.sent_probes++;
    to.asked(engine.now);
    this.asked.set(to.token, to);
    return true;
  }

  /** A packet for no queue pair; true when it was one of ours. */
  receive(packet: Inbound, opcode: number, length: number): boolean {
    const { buf, off } = packet;
    if (length !== 0 || !isProbe(buf, off)) return false;
    this.engine.counters.rcvd_probes++;
    if (opcode === PROBE) return this.answer(packet);
    if (opcode !== ECHO) return false;
    const to = this.asked.get(probeToken(buf, off));
    if (to === undefined || !packet.isFrom(to.path!)) return false;
    to.answered(probeCount(buf, off), probeGrant(buf, off));
    this.release(to);
    return true;
  }

  private release(to: Unconfirmed): void {
    this.rest(to);
    const { waiters } = to;
    if (waiters.length === 0) return;
    to.waiters = [];
    this.engine.wake(waiters);
  }

  /** Nobody waits for `to` any more. */
  private rest(to: Unconfirmed): void {
    if (!to.waiting) return;
    to.waiting = false;
    const { waiting } = this;
    waiting.splice(waiting.indexOf(to), 1);
    // Else it is found out when it has come.
    if (waiting.length === 0) this.next = Number.POSITIVE_INFINITY;
  }

  /** `qp` sends no more. */
  forget(qp: SoftQp): void {
    for (const to of this.waiting.slice()) {
      const i = to.waiters.indexOf(qp);
      if (i < 0) continue;
      qp.waitsForWindow = false;
      to.waiters.splice(i, 1);
      if (to.waiters.length === 0) this.rest(to);
    }
  }

  private answer(packet: Inbound): boolean {
    const { engine, senders } = this;
    const { now, port } = engine;
    if (now - this.sweptAt > SWEEP_US) {
      this.sweptAt = now;
      for (const [path, at] of senders) if (now - at > ACTIVE_US) senders.delete(path);
    }
    if (senders.size >= MOST_SENDERS) return false;
    const path = port.pathBack?.(packet) ?? null;
    if (path === null) return false;
    senders.set(path, now);
    const { buf, off } = packet;
    const token = probeToken(buf, off);
    const count = probeCount(buf, off);
    const at = port.begin(path, PROBE_PACKET_LEN);
    if (at < 0) return true;
    writeProbe(port.buf, at, ECHO, engine.defaultPkey, token, count, this.grant());
    port.end();
    engine.counters.sent_pkts++;
    engine.counters.sent_probes++;
    engine.flushSoon();
    return true;
  }

  /** One share for each that sends, and one for who begins before the others know. */
  private grant(): number {
    const { limit, used } = this.engine.port.receiveWindow;
    return Math.max(limit * FLOOR, limit - used) / (this.senders.size + 1);
  }

  /** `next` has come. */
  expire(): void {
    const { engine } = this;
    const { now } = engine;
    for (const to of this.waiting.slice()) {
      if (now - to.stalledSince >= (to.heard ? KNOWN_US : UNKNOWN_US)) {
        engine.counters.probe_timeouts++;
        to.giveUp(to.heard ? PATIENCE_KNOWN : PATIENCE_UNKNOWN);
        this.release(to);
      } else if (to.probeAgainAt <= now) {
        this.probe(to);
        engine.flushSoon();
        to.interval = Math.min(2 * to.interval, AGAIN_MOST_US);
        to.probeAgainAt = now + to.interval;
      }
    }
    this.next = Number.POSITIVE_INFINITY;
    for (const to of this.waiting) this.next = Math.min(this.next, to.probeAgainAt);
  }
}
