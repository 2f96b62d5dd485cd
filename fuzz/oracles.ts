// What must be true of the engine after each input.
import { QpState, QpType } from '../src/core/constants.ts';
import type { Engine } from '../src/transport/engine.ts';
import { psnDiff } from '../src/transport/psn.ts';
import { Slot as SendSlot, SlotState, type SoftQp } from '../src/transport/qp.ts';
import type { Unconfirmed } from '../src/transport/unconfirmed.ts';
import type { PeerWindow } from '../src/transport/window.ts';
import type { Slot } from './slot.ts';
import { violated } from './violation.ts';
import type { World } from './world.ts';

/** What is private in the engine, and looked at here all the same. */
interface Insides {
  readonly active: SoftQp[];
  readonly acks: SoftQp[];
  readonly timers: { readonly heap: SoftQp[] };
}
interface PortInsides {
  readonly paths: Map<unknown, { readonly window: PeerWindow; readonly reads: PeerWindow }>;
  readonly destinations: Map<unknown, Unconfirmed>;
  readonly receiveWindow: PeerWindow;
}

export const insides = (engine: Engine): Insides => engine as unknown as Insides;
const portOf = (world: World): PortInsides => world.rxe.port as unknown as PortInsides;

/** Steps one input may cost: packets reserved, and accesses to memory. */
const MOST_PACKETS = 500;
const MOST_ACCESSES = 500;
/** Ways there are: each own address to itself, a stranger and a group, with some hop limits, ECN-capable and not. */
const MOST_PATHS = 20;

export function checkQp(slot: Slot): void {
  const { qp } = slot;
  const { state } = qp.attr;
  const name = `QP of slot ${slot.index} in state ${state}`;
  const amount = (rule: string, value: number): void => {
    if (!Number.isInteger(value) || value < 0) violated(rule, `${name}: ${value}`);
  };
  amount('inflight is no amount', qp.inflight);
  amount('readInflight is no amount', qp.readInflight);
  amount('readsOut is no amount', qp.readsOut);
  amount('readsHead is no amount', qp.readsHead);
  amount('cursor is no amount', qp.cursor);
  amount('sendsOut is no amount', qp.sendsOut);
  if (qp.readsOut > qp.readsRoom) violated('more READs out than there is room for', `${name}: ${qp.readsOut}`);
  if (qp.jobs.length > slot.mostJobs)
    violated('more answers waiting than maxDestRdAtomic', `${name}: ${qp.jobs.length}`);
  if (qp.atomics.length > slot.mostJobs) violated('more ATOMICs kept than maxDestRdAtomic', `${name}`);
  if (qp.ePsn >>> 24 || qp.una >>> 24 || qp.sndMax >>> 24) violated('PSN beyond 24 bits', name);
  if (slot.running && qp.type === QpType.RC) {
    if (psnDiff(qp.una, qp.nextPsn) > 0 || psnDiff(qp.nextPsn, qp.sndMax) > 0)
      violated('PSNs out of order', `${name}: una ${qp.una}, next ${qp.nextPsn}, sndMax ${qp.sndMax}`);
  }
  if (!slot.running) {
    if (qp.inflight > 0 || qp.readInflight > 0) violated('in flight while not running', `${name}: ${qp.inflight}`);
    if (qp.heapIndex >= 0) violated('timer of a queue pair that is not running', name);
  }
  if (state !== QpState.RTR && state !== QpState.RTS && state !== QpState.SQD && qp.jobs.length > 0)
    violated('answers waiting while not running', name);
  if (!slot.send.dirty) checkSendQueue(qp, name);
}

function checkSendQueue(qp: SoftQp, name: string): void {
  const { sq, slots } = qp;
  const consumer = sq.consumer;
  const fresh = (qp.sqFresh - consumer) & sq.mask;
  const next = (qp.sqNext - consumer) & sq.mask;
  if (qp.sendsOut > fresh) violated('send queue: more SENDs outstanding than begun', `${name}: ${qp.sendsOut}`);
  if (fresh > sq.count) violated('send queue: looked beyond the producer', `${name}: ${fresh} of ${sq.count}`);
  if (next > fresh) violated('send queue: next beyond those looked at', `${name}: ${next} of ${fresh}`);
  for (let i = fresh; i <= sq.mask; i++) {
    const state = slots[((consumer + i) & sq.mask) * SendSlot.WORDS] & 0xff;
    if (state !== SlotState.FRESH) violated('send queue: a free element is not fresh', `${name}: ${i}, state ${state}`);
  }
}

export function checkEngine(world: World): void {
  const { engine } = world.rxe;
  const { active, acks, timers } = insides(engine);
  const { slots } = world;
  if (engine.qps.size !== slots.length) violated('queue pairs lost or left', `${engine.qps.size} of ${slots.length}`);
  // Queue pairs that have been destroyed may still stand in line for one turn.
  const spare = engine.spareJobs.length;
  if (spare > slots.length * 256) violated('spare answers pile up', `${spare}`);
  if (active.length > slots.length * 2) violated('active queue pairs pile up', `${active.length}`);
  if (acks.length > slots.length * 2) violated('acknowledgements pile up', `${acks.length}`);
  const { heap } = timers;
  for (let i = 0; i < heap.length; i++) {
    if (heap[i].heapIndex !== i) violated('timers: index', `${i} says ${heap[i].heapIndex}`);
    if (i > 0 && heap[(i - 1) >> 1].heapAt > heap[i].heapAt) violated('timers: order', `${i}`);
    if (engine.qps.get(heap[i].qpn) !== heap[i]) violated('timers: a queue pair that is gone', `${heap[i].qpn}`);
  }
  for (const slot of slots) {
    const { qp } = slot;
    if (qp.deadline !== Number.POSITIVE_INFINITY && qp.heapIndex < 0)
      violated('a deadline without a timer', `${slot.index}`);
    const waits = [qp.rnrUntil, qp.paceUntil].filter((until) => until > 0);
    const deadline = Math.min(qp.ackDeadline, ...waits);
    if (qp.heapIndex >= 0 && qp.heapAt > deadline) violated('a timer later than its deadline', `${slot.index}`);
  }
  checkWindows(world);
}

function checkWindows(world: World): void {
  const { paths, destinations, receiveWindow } = portOf(world);
  const { slots } = world;
  if (paths.size > MOST_PATHS) violated('paths pile up', `${paths.size}`);
  let reading = 0;
  for (const { qp } of slots) reading += qp.readInflight;
  if (receiveWindow.used !== reading) violated('receive window: sum', `${receiveWindow.used} used, ${reading} known`);
  const waiting = new Set(receiveWindow.waiters);
  for (const path of paths.values()) {
    for (const qp of path.window.waiters) waiting.add(qp);
    if (path.window.used === 0 && path.window.waiters.length > 0) violated('waiters for a window that is free', '');
    let sum = 0;
    for (const { qp } of slots) if (qp.path === (path as unknown)) sum += qp.inflight;
    let asked = 0;
    for (const { qp } of slots) if (qp.path === (path as unknown)) asked += qp.readInflight;
    if (path.reads.used !== asked) violated('window of READs: sum', `${path.reads.used} used, ${asked} known`);
    if (path.window.used !== sum) violated('peer window: sum', `${path.window.used} used, ${sum} known`);
    if (path.window.waiters.length > slots.length * 3) violated('waiters pile up', `${path.window.waiters.length}`);
  }
  for (const to of destinations.values()) {
    for (const qp of to.waiters) waiting.add(qp);
    const { sent, confirmed } = to as unknown as { sent: number; confirmed: number };
    if (!Number.isInteger(sent - confirmed) || sent < confirmed)
      violated('unconfirmed: no amount', `${sent - confirmed}`);
    if (to.waiters.length > slots.length * 3) violated('waiters pile up', `${to.waiters.length}`);
    if (to.waiters.length === 0) continue;
    if (sent === confirmed) violated('waiters for what is confirmed', `${sent}`);
    if (!to.waiting || !Number.isFinite(world.rxe.engine.nextDeadline)) violated('waiters without a timer', `${sent}`);
  }
  for (const slot of slots) {
    if (slot.qp.waitsForWindow && !waiting.has(slot.qp))
      violated('a queue pair waits, and nobody knows', `${slot.index}`);
  }
}

/** A queue pair with something to send and nothing that it waits for is stuck for ever. */
export function checkNotStuck(slot: Slot): void {
  const { qp } = slot;
  if (!slot.running || slot.send.dirty || slot.held || qp.queued || qp.waitsForWindow) return;
  const waits = qp.readsOut > 0 || qp.una !== qp.sndMax || qp.deadline !== Number.POSITIVE_INFINITY;
  const pending = qp.attr.state === QpState.RTS && qp.sqNext !== qp.sq.producer && qp.sqNext === qp.sqFresh;
  if (pending && !waits) violated('requests wait, and nothing will send them', `slot ${slot.index}`);
}

export function checkWork(world: World): void {
  if (world.link.reserved > MOST_PACKETS) violated('too many packets for one input', `${world.link.reserved}`);
  if (world.arena.accesses > MOST_ACCESSES) violated('too many accesses for one input', `${world.arena.accesses}`);
  world.link.reserved = 0;
  world.arena.accesses = 0;
}
