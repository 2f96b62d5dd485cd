// Congestion on the way (RoCEv2 annex A17.9): whoever receives marked packets notifies the sender, and whoever is notified
// sends less. What it has in flight is held back by its windows; READ responses and unreliable connections by their pace.
// Linux rxe neither notifies nor listens: it drops the packet, whose opcode is of no transport it knows (check_type_state).
import { QpState } from '../core/constants.ts';
import { OPF_READ_RESP, opcodeFlags } from '../wire/opcodes.ts';
import type { Engine } from './engine.ts';
import { Pace } from './pace.ts';
import type { SoftQp } from './qp.ts';

/** A queue pair notifies its peer at most once in so many microseconds, as NICs do. */
const INTERVAL_US = 50;

/** A packet for `qp` came marked. */
export function congestionMet(engine: Engine, qp: SoftQp, opcode: number): void {
  const { state } = qp.attr;
  if (state < QpState.RTR || state === QpState.ERR) return;
  engine.counters.np_ecn_marked_roce_packets++;
  // Who reads can also ask for less at a time.
  if (opcodeFlags[opcode] & OPF_READ_RESP) qp.path!.reads.marked(engine.now);
  if (engine.now - qp.notifiedAt < INTERVAL_US) return;
  qp.notifiedAt = engine.now;
  qp.notificationDue = true;
  engine.queueAck(qp);
}

/** The peer says that what `qp` sends meets congestion. */
export function congestionNotified(engine: Engine, qp: SoftQp): void {
  engine.counters.rp_cnp_handled++;
  qp.path!.window.marked(engine.now);
  qp.pace ??= new Pace();
  qp.pace.notified(engine.now);
}
