// The server: does what the client asks for.
import { createServer, type Server, type Socket } from 'node:net';
import { type Device, openDevice } from '../../api/index.ts';
import { openForClient } from '../addresses.ts';
import { CliError, messageOf } from '../errors.ts';
import { listenTcp } from '../tcp.ts';
import { VERSION } from '../version.ts';
import { Arrivals, untilQuiet } from './arrivals.ts';
import { Channel, type Message } from './channel.ts';
import { type DeviceOptions, receivesInEventLoop } from './options.ts';
import { checkShape, describeParam, isReliable, type PerfParams } from './params.ts';
import {
  type Hello,
  PROTOCOL,
  PROTOCOL_VERSION,
  type Ready,
  type RowMessage,
  type Start,
  type Stop,
  type Stopped,
  type Verify,
  type Welcome,
} from './protocol.ts';
import type { PerfEnd, PerfRow } from './result.ts';
import { play, type SideOptions, serverParts } from './side.ts';
import { Station } from './station.ts';
import { fillAreas, isIntact, verifyAsServer } from './verify.ts';

export interface PerfServerOptions extends DeviceOptions {
  /** TCP port to listen on; 0: any that is free. */
  readonly port: number;
  /** Serve one client after the other, until `signal`. */
  readonly persist?: boolean;
  /** What the client must ask for, by parameter; anything else is refused. */
  readonly expected?: Partial<PerfParams>;
  readonly signal?: AbortSignal;
  onListening?(port: number): void;
  onClient?(params: PerfParams, local: PerfEnd, remote: PerfEnd): void;
  onRow?(row: PerfRow): void;
  /** A client has been served; `failure` says how that went wrong. */
  onEnd?(failure: Error | null): void;
}

/** Serves one client, or with `persist` one after the other. Rejects when it cannot listen, or when the only client failed. */
export async function runPerfServer(options: PerfServerOptions): Promise<void> {
  // An address given is opened at once, so that a mistake shows before a client comes.
  const { ip, driver, link, faults, capture } = options;
  const own = ip === undefined ? null : await openDevice({ address: ip, driver, link, faults, capture });
  const server = createServer();
  try {
    options.onListening?.(await listenTcp(server, options.port));
    for (;;) {
      const socket = await nextClient(server, options.signal);
      if (socket === null) return;
      const failure = await serve(socket, options, own, server);
      options.onEnd?.(failure);
      if (options.persist) continue;
      if (failure !== null) throw failure;
      return;
    }
  } finally {
    server.close();
    await own?.close();
  }
}

function nextClient(server: Server, signal: AbortSignal | undefined): Promise<Socket | null> {
  return new Promise((resolve) => {
    const settle = (socket: Socket | null): void => {
      server.removeListener('connection', settle);
      signal?.removeEventListener('abort', abort);
      resolve(socket);
    };
    const abort = (): void => settle(null);
    if (signal?.aborted) {
      resolve(null);
      return;
    }
    signal?.addEventListener('abort', abort);
    server.on('connection', settle);
  });
}

const busy = (socket: Socket): void => new Channel(socket).sendError('the server is busy with another client');

async function serve(
  socket: Socket,
  options: PerfServerOptions,
  own: Device | null,
  server: Server,
): Promise<Error | null> {
  const channel = new Channel(socket);
  server.on('connection', busy);
  const abort = (): void => channel.sendError('the server was stopped');
  options.signal?.addEventListener('abort', abort);
  let device = own;
  try {
    const params = greet(await channel.receive<Hello>('hello'), options);
    const { driver, link, faults, capture } = options;
    device ??= await openForClient(channel.localAddress, channel.remoteAddress, { driver, link, faults, capture });
    channel.send({ type: 'welcome', gid: device.gids[0].gid, mtu: device.mtu, driver: device.driver } as Welcome);
    await session(channel, device, params, options);
    return null;
  } catch (error) {
    if (options.signal?.aborted) return null;
    channel.sendError(messageOf(error));
    return error as Error;
  } finally {
    channel.end();
    server.removeListener('connection', busy);
    options.signal?.removeEventListener('abort', abort);
    if (device !== own) await device?.close();
  }
}

/** The client's parameters, if it is one of ours and asks for nothing else than this server was started for. */
function greet(hello: Hello, { expected = {} }: PerfServerOptions): PerfParams {
  if (hello.protocol !== PROTOCOL) throw new CliError(`protocol "${hello.protocol}" is not "${PROTOCOL}"`);
  if (hello.version !== PROTOCOL_VERSION) {
    throw new CliError(
      `the client speaks version ${hello.version} of the protocol (infinitive ${hello.program}), the server version ` +
        `${PROTOCOL_VERSION} (infinitive ${VERSION}): use the same infinitive at both ends`,
    );
  }
  const params = checkShape(hello.params);
  for (const name of Object.keys(expected) as (keyof PerfParams)[]) {
    const mine = describeParam(expected, name);
    const theirs = describeParam(params, name);
    if (mine !== theirs) {
      throw new CliError(
        `the server was started with ${mine}, and the client asks for ${theirs}: leave it out at the server, or give ` +
          'the same at both ends',
      );
    }
  }
  return params;
}

async function session(
  channel: Channel,
  device: Device,
  params: PerfParams,
  options: PerfServerOptions,
): Promise<void> {
  const station = new Station(device, params);
  try {
    const peer = (await channel.receive<Ready>('ready')).station;
    station.connect(peer);
    channel.send({ type: 'ready', station: station.info() } as Ready);
    const { gid, mtu } = peer.lanes[0].endpoint;
    const local = { gid: device.gids[0].gid, mtu: device.mtu, qpns: station.lanes.map((l) => l.qp.qpn) };
    options.onClient?.(params, local, { gid, mtu, qpns: peer.lanes.map((l) => l.endpoint.qpn) });
    const side: SideOptions = { channel, station, eager: receivesInEventLoop(options.link) };
    for (;;) {
      const message: Message = await channel.next();
      switch (message.type) {
        case 'verify':
          checkRange(station, message as Verify);
          channel.send(await verifyAsServer(station, message as Verify));
          break;
        case 'start':
          checkRange(station, message as Start);
          channel.send(await measure(side, message as Start));
          break;
        case 'row':
          options.onRow?.((message as RowMessage).row);
          break;
        case 'bye':
          return;
        default:
          throw new CliError(`the client sent "${message.type}", which means nothing here`);
      }
    }
  } finally {
    station.close();
  }
}

function checkRange({ lanes, maxSize }: Station, { size, lane = 0 }: { size: number; lane?: number }): void {
  if (!(Number.isInteger(size) && size >= 1 && size <= maxSize && lanes[lane] !== undefined)) {
    throw new CliError('the client asks for a size or a QP that it did not announce');
  }
}

async function measure(side: SideOptions, { size, iters, seed }: Start): Promise<Stopped> {
  const { channel, station } = side;
  const { params } = station;
  fillAreas(station, size, seed);
  const arrivals = new Arrivals(station, size);
  const parts = serverParts(station, size, iters ?? Number.POSITIVE_INFINITY);
  const { role, sender, receiver, answerer } = parts;
  let stop: Stop | null = null;
  let failure: unknown = null;
  channel.receive<Stop>('stop').then(
    (message) => {
      stop = message;
    },
    (error: unknown) => {
      failure = error;
    },
  );
  channel.send({ type: 'started' });
  await play(role, side, () => stop !== null || failure !== null, true);
  if (stop === null) throw failure;
  const { perLane, sent, early } = stop as Stop;
  if (early) sender?.stop();
  if (sender !== null) await play(role, side, () => sender.finished);
  if (receiver !== null) {
    receiver.stop(sent.messages);
    await play(receiver, side, () => receiver.finished);
  }
  answerer?.stop();
  if (!isReliable(params)) await untilQuiet(station.device);
  const received = isReliable(params) || params.lat ? null : (receiver?.throughput() ?? arrivals.throughput(sent));
  const acted = params.op !== 'read' && received?.messages !== 0;
  return {
    type: 'stopped',
    received,
    sent: sender?.throughput() ?? null,
    intact: params.verify && acted ? isIntact(station, 'target', size, seed, perLane) : null,
  };
}
