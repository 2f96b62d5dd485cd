// The client: chooses what is measured, and measures.
import { type Device, openDevice } from '../../api/index.ts';
import { openForServer, plainAddress } from '../addresses.ts';
import { CliError } from '../errors.ts';
import { VERSION } from '../version.ts';
import { Arrivals, untilQuiet } from './arrivals.ts';
import { Channel } from './channel.ts';
import { type DeviceOptions, receivesInEventLoop } from './options.ts';
import { isReliable, itersFor, PATH_MTU, type PerfParams } from './params.ts';
import {
  PROTOCOL,
  PROTOCOL_VERSION,
  type Ready,
  type Start,
  type Started,
  type Stop,
  type Stopped,
  type Throughput,
  type Welcome,
} from './protocol.ts';
import type { BandwidthRow, LatencyRow, PerfEnd, PerfResult, PerfRow } from './result.ts';
import { clientParts, type Parts, play, type SideOptions } from './side.ts';
import { Station } from './station.ts';
import { fillAreas, isIntact, verifyAsClient } from './verify.ts';

export interface PerfClientOptions extends DeviceOptions {
  readonly host: string;
  /** TCP port of the server. */
  readonly port: number;
  readonly params: PerfParams;
  /** Seconds to do the same unmeasured before each measurement, so that the code of both ends is compiled. Default 0. */
  readonly warmUp?: number;
  /** Ends the measurement; what there is, is reported. */
  readonly signal?: AbortSignal;
  onConnected?(local: PerfEnd, remote: PerfEnd): void;
  onRow?(row: PerfRow): void;
  /** Called when a measurement begins: `count` tells how far it is. */
  onStart?(size: number, iters: number, count: () => number): void;
}

/** Connects to a server and measures. Resolves with what was measured, even if it was aborted meanwhile. */
export async function runPerfClient(options: PerfClientOptions): Promise<PerfResult> {
  const channel = await Channel.connect(options.host, options.port);
  let device: Device | null = null;
  try {
    const { params } = options;
    channel.send({
      type: 'hello',
      protocol: PROTOCOL,
      version: PROTOCOL_VERSION,
      program: VERSION,
      params,
    } as { type: string });
    const welcome = await channel.receive<Welcome>('welcome');
    const { driver = 'rxe' } = options;
    if (welcome.driver !== driver) {
      throw new CliError(`the server's device is one of ${welcome.driver}, this end's of ${driver}: -d at both ends`);
    }
    device = await openClientDevice(options, channel, welcome.gid);
    const station = new Station(device, params);
    channel.send({ type: 'ready', station: station.info() } as Ready);
    const peer = (await channel.receive<Ready>('ready')).station;
    station.connect(peer);
    const local: PerfEnd = {
      gid: station.lanes[0].qp.endpoint().gid,
      mtu: device.mtu,
      qpns: station.lanes.map((l) => l.qp.qpn),
    };
    const remote: PerfEnd = {
      gid: welcome.gid,
      mtu: welcome.mtu,
      qpns: peer.lanes.map((l) => l.endpoint.qpn),
    };
    options.onConnected?.(local, remote);
    const side: SideOptions = { channel, station, eager: receivesInEventLoop(options.link) };
    const rows: PerfRow[] = [];
    for (const size of sizesOnPath(params, Math.min(local.mtu, remote.mtu))) {
      if (options.signal?.aborted) break;
      const row = await measure(side, size, options);
      rows.push(row);
      options.onRow?.(row);
      channel.send({ type: 'row', row } as { type: string });
    }
    channel.send({ type: 'bye' });
    return { params, local, remote, rows, interrupted: options.signal?.aborted ?? false };
  } finally {
    channel.end();
    await device?.close();
  }
}

/** A datagram may be as long as the path MTU, which is known only now. */
function sizesOnPath({ connection, sizes, mtu }: PerfParams, largest: number): readonly number[] {
  if (connection !== 'ud') return sizes;
  const pathMtu = Math.min(mtu ?? largest, largest);
  if (sizes.length > 1) return sizes.filter((size) => size <= pathMtu);
  const size = sizes[0] === PATH_MTU ? pathMtu : sizes[0];
  if (size > pathMtu) throw new CliError(`UD takes messages up to the path MTU: choose --size ${pathMtu} or less`);
  return [size];
}

function openClientDevice(options: PerfClientOptions, channel: Channel, serverGid: string): Promise<Device> {
  const { ip, driver = 'rxe', link, faults, capture } = options;
  const open = { driver, link, faults, capture };
  if (ip !== undefined) return openDevice({ ...open, address: ip });
  // A GID of InfiniBand-like devices tells of no address.
  const server = driver === 'rxe' ? plainAddress(serverGid) : channel.remoteAddress;
  return openForServer(channel.localAddress, server, open);
}

/** What a measurement has led to. */
interface Run {
  readonly parts: Parts;
  readonly stopped: Stopped;
  /** Bidirectional: the server's messages. */
  readonly back: Throughput | null;
  readonly intact: boolean;
}

async function measure(side: SideOptions, size: number, options: PerfClientOptions): Promise<PerfRow> {
  const { params, warmUp = 0 } = options;
  const intactBefore = !params.verify || (await verifyAsClient(side.station, side.channel, size));
  if (warmUp > 0) await measureOnce(side, size, Number.POSITIVE_INFINITY, warmUp, options.signal);
  const iters = itersFor(params, size);
  const started = (count: () => number): void => options.onStart?.(size, iters, count);
  const run = await measureOnce(side, size, iters, params.duration, options.signal, started);
  const verified = params.verify ? intactBefore && run.intact : null;
  return params.lat ? latencyRow(run, params, size, verified) : bandwidthRow(run, params, size, verified);
}

async function measureOnce(
  side: SideOptions,
  size: number,
  iters: number,
  seconds: number | null,
  signal: AbortSignal | undefined,
  onStarted?: (count: () => number) => void,
): Promise<Run> {
  const { channel, station } = side;
  // The same for all measurements: where messages may be lost they may be late, too, and arrive during the next one.
  const seed = SEED;
  fillAreas(station, size, seed);
  const arrivals = new Arrivals(station, size);
  channel.send({ type: 'start', size, iters: Number.isFinite(iters) ? iters : null, seed } as Start);
  await channel.receive<Started>('started');

  const parts = clientParts(station, size, iters);
  const main = parts.sender ?? parts.ping!;
  const end = (): void => main.stop();
  const timer = seconds === null ? null : setTimeout(end, seconds * 1000);
  if (signal?.aborted) end();
  signal?.addEventListener('abort', end);
  onStarted?.(() => parts.role.count);
  try {
    await play(parts.role, side, () => main.finished);
  } finally {
    if (timer !== null) clearTimeout(timer);
    signal?.removeEventListener('abort', end);
  }
  const perLane = parts.sender?.perLane ?? [main.count];
  const sent = parts.sender?.throughput() ?? NOTHING_SENT;
  channel.send({ type: 'stop', sent, perLane, early: seconds !== null || (signal?.aborted ?? false) } as Stop);
  const stopped = await untilStopped(parts, side);
  const back = await throughputBack(station, parts, stopped, arrivals);
  return { parts, stopped, back, intact: intactAtEnd(side, parts, stopped, size, seed, perLane) };
}

/** Goes on receiving until the server has stopped, too. */
async function untilStopped(parts: Parts, side: SideOptions): Promise<Stopped> {
  let stopped: Stopped | null = null;
  let failure: unknown = null;
  side.channel.receive<Stopped>('stopped').then(
    (message) => {
      stopped = message;
    },
    (error: unknown) => {
      failure = error;
    },
  );
  await play(parts.role, side, () => stopped !== null || failure !== null, true);
  if (stopped === null) throw failure;
  const { receiver } = parts;
  if (receiver !== null) {
    receiver.stop((stopped as Stopped).sent?.messages ?? 0);
    await play(receiver, side, () => receiver.finished);
  }
  return stopped;
}

/** Of the content of messages. */
const SEED = 4791;
const NOTHING_SENT: Throughput = { messages: 0, seconds: 0, average: 0, peak: 0 };

/** The other direction; where messages may be lost, what counts is what arrived here. */
async function throughputBack(
  { device, params }: Station,
  { receiver }: Parts,
  { sent }: Stopped,
  arrivals: Arrivals,
): Promise<Throughput | null> {
  if (isReliable(params) || sent === null) return sent;
  await untilQuiet(device);
  return receiver?.throughput() ?? arrivals.throughput(sent);
}

function intactAtEnd(
  { station }: SideOptions,
  parts: Parts,
  stopped: Stopped,
  size: number,
  seed: number,
  perLane: readonly number[],
): boolean {
  if (stopped.intact === false) return false;
  const { op } = station.params;
  if (op === 'read') return isIntact(station, 'source', size, seed, perLane);
  if (parts.receiver !== null) return parts.receiver.count === 0 || isIntact(station, 'target', size, seed, perLane);
  return true;
}

function bandwidthRow(
  { parts, stopped, back }: Run,
  params: PerfParams,
  size: number,
  verified: boolean | null,
): BandwidthRow {
  const own = parts.sender!.throughput();
  const forth = stopped.received ?? own;
  const sent = own.messages + (stopped.sent?.messages ?? 0);
  const arrived = Math.min(sent, forth.messages + (back?.messages ?? 0));
  const average = forth.average + (back?.average ?? 0);
  return {
    kind: 'bw',
    size,
    iterations: arrived,
    seconds: Math.max(forth.seconds, back?.seconds ?? 0),
    bytesPerSecond: average * size,
    peakBytesPerSecond: (forth.peak + (back?.peak ?? 0)) * size,
    messagesPerSecond: average,
    lost: isReliable(params) ? null : sent - arrived,
    verified,
  };
}

function latencyRow({ parts }: Run, params: PerfParams, size: number, verified: boolean | null): LatencyRow {
  const ping = parts.ping!;
  return {
    kind: 'lat',
    size,
    iterations: ping.count,
    ...ping.samples.stats(),
    lost: isReliable(params) ? null : ping.lost,
    verified,
  };
}
