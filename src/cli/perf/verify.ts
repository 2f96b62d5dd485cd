// Messages of known content, one by one, before the measurement: the data is compared where it arrives.
import { type Completion, WcError } from '../../api/index.ts';
import { untilQuiet } from './arrivals.ts';
import type { Channel } from './channel.ts';
import { isReliable, type PerfParams } from './params.ts';
import { compare, pattern } from './pattern.ts';
import type { Verified, Verify } from './protocol.ts';
import { type Lane, mtuOf, RECV, type Station } from './station.ts';

/** Messages on each lane. */
const MESSAGES = 3;
/** Attempts for a message that unreliable transports may lose. */
const ATTEMPTS = 5;
const ARRIVAL_MS = 100;
const RELIABLE_MS = 10_000;

/** The next completion of a send request (`RECV` greater than wrId), or of a receive request; null: none came in time. */
async function completion(station: Station, ofRecv: boolean, ms: number): Promise<Completion | null> {
  const signal = AbortSignal.timeout(ms);
  for (;;) {
    try {
      const wc = await station.cq.next({ signal });
      wc.orThrow();
      if (wc.wrId >= RECV === ofRecv) return wc;
    } catch (error) {
      if (error instanceof WcError || !signal.aborted) throw error;
      return null;
    }
  }
}

async function ask(channel: Channel, request: Omit<Verify, 'type'>): Promise<Verified['outcome']> {
  channel.send({ type: 'verify', ...request } as Verify);
  return (await channel.receive<Verified>('verified')).outcome;
}

/** The client's part; false when anything arrived other than it was sent. */
export async function verifyAsClient(station: Station, channel: Channel, size: number): Promise<boolean> {
  for (const lane of station.lanes) {
    for (let n = 1; n <= MESSAGES; n++) {
      let outcome: Verified['outcome'] = 'missing';
      const attempts = isReliable(station.params) ? 1 : ATTEMPTS;
      for (let i = 0; i < attempts && outcome === 'missing'; i++) {
        outcome = await verifyMessage(station, channel, lane, size, 1000 * n + i + lane.index);
      }
      // What gets lost again and again says nothing about the data; the measurement will tell.
      if (outcome === 'wrong' || (outcome === 'missing' && attempts === 1)) return false;
    }
  }
  return true;
}

async function verifyMessage(
  station: Station,
  channel: Channel,
  lane: Lane,
  size: number,
  seed: number,
): Promise<Verified['outcome']> {
  const { op } = station.params;
  const message = { lane: lane.index, size, seed };
  await ask(channel, { step: 'prepare', ...message });
  if (op === 'read' || op === 'atomic') lane.source.fill(0, 0, size);
  else pattern(seed, size).copy(lane.source);
  const wr = station.request(lane, size, 1);
  if (op === 'atomic') {
    // Fetch and add adds the seed; compare and swap finds the seed and stores its double: the same either way.
    const fetchAndAdd = station.params.atomic === 'fetch_and_add';
    wr.compareAdd = BigInt(seed);
    wr.swap = fetchAndAdd ? 0n : BigInt(2 * seed);
  }
  lane.qp.postSend(wr);
  if ((await completion(station, false, RELIABLE_MS)) === null) return 'missing';
  if (op === 'read' && compare(lane.source, seed, size) !== 'ok') return 'wrong';
  if (op === 'atomic' && lane.source.readBigUInt64LE() !== BigInt(seed)) return 'wrong';
  return ask(channel, { step: 'check', ...message });
}

/** The server's part: one step. */
export async function verifyAsServer(station: Station, { step, lane: index, size, seed }: Verify): Promise<Verified> {
  const { params } = station;
  const lane = station.lanes[index];
  if (step === 'prepare') {
    prepare(params, lane, size, seed);
    return { type: 'verified', outcome: 'ok' };
  }
  if (params.op === 'send') {
    const wc = await completion(station, true, isReliable(params) ? RELIABLE_MS : ARRIVAL_MS);
    if (wc === null) return { type: 'verified', outcome: 'missing' };
    lane.qp.postRecv(lane.recvWr);
  }
  const outcome = check(params, lane, size, seed);
  if (outcome === 'ok' || isReliable(params)) return { type: 'verified', outcome };
  // An unreliable WRITE may still be on its way.
  await untilQuiet(station.device);
  return { type: 'verified', outcome: check(params, lane, size, seed) };
}

function prepare({ op }: PerfParams, lane: Lane, size: number, seed: number): void {
  if (op === 'atomic') lane.target.writeBigUInt64LE(BigInt(seed));
  else if (op === 'read') pattern(seed, size).copy(lane.target);
  else lane.target.fill(0, 0, size);
}

function check(params: PerfParams, lane: Lane, size: number, seed: number): Verified['outcome'] {
  switch (params.op) {
    case 'atomic':
      return lane.target.readBigUInt64LE() === BigInt(2 * seed) ? 'ok' : 'wrong';
    case 'read':
      return 'ok';
    default: {
      const found = compare(lane.target, seed, size, packetOf(params, lane));
      return found === 'partial' ? 'missing' : found;
    }
  }
}

/** Bytes of a packet where some may be lost, else 0. */
const packetOf = (params: PerfParams, lane: Lane): number => (isReliable(params) ? 0 : mtuOf(lane));

/** Fills the areas before a measurement, so that {@link isIntact} can tell afterwards. */
export function fillAreas(station: Station, size: number, seed: number): void {
  const { op } = station.params;
  for (const lane of station.lanes) {
    const data = pattern(seed + lane.index, size);
    if (op === 'atomic') lane.target.writeBigUInt64LE(0n);
    else if (op === 'read') {
      data.copy(lane.target);
      lane.source.fill(0, 0, size);
    } else {
      data.copy(lane.source);
      lane.target.fill(0, 0, size);
    }
  }
}

/**
 * Whether what arrived (`count` messages on each lane) is what {@link fillAreas} of the peer laid out. Of latency messages
 * the last byte is their number, which the role has checked.
 */
export function isIntact(
  station: Station,
  where: 'target' | 'source',
  size: number,
  seed: number,
  counts: readonly number[],
): boolean {
  const { params } = station;
  const { op, atomic, lat } = params;
  return station.lanes.every((lane) => {
    const count = counts[lane.index] ?? 0;
    if (count === 0) return true;
    if (op === 'atomic') {
      return lane[where].readBigUInt64LE() === (atomic === 'fetch_and_add' ? BigInt(count) : 0n);
    }
    const counted = lat && op !== 'read' ? size - 1 : size;
    return compare(lane[where], seed + lane.index, counted, packetOf(params, lane)) !== 'wrong';
  });
}
