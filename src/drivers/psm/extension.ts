// PSM and PSM2 as extensions: endpoints, connections and requests are objects of the driver's namespace, on the context that
// the verbs are on, and the memory they work with is the core's regions.

import { fail } from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import { defineExtension, method } from '../../core/extension.ts';
import { type Attr, bytes, made, object, objectType, optional, own, u8, u32, u64 } from '../../core/extension-attrs.ts';
import { standOn } from '../../core/extension-call.ts';
import type { Connection } from './connection.ts';
import { PsmEndpoint } from './endpoint.ts';
import type { Tag } from './matched-queue.ts';
import type { Request, RequestStatus } from './request.ts';

const clocks = new WeakMap<Device, () => number>();
/** The clock of a device whose contexts may open endpoints. */
export const clockOf = (device: Device, clock: () => number): void => void clocks.set(device, clock);

interface ActiveArrival {
  readonly source: number;
  readonly handler: number;
  readonly args: readonly bigint[];
  readonly data: Buffer;
}

interface EndpointState {
  readonly ep: PsmEndpoint;
  /** Active messages that a program by numbers has not taken yet. */
  readonly active: ActiveArrival[];
}

const STATES = { connecting: 0, connected: 1, failed: 2 } as const;
const STATUS: Readonly<Record<RequestStatus, number>> = { ok: 0, truncated: 1, cancelled: 2, failed: 3 };
const MAX_DATA = 8192;
const MAX_ARGS = 64;

/** Words in host order, as a program's own structure has them. */
function words(data: Uint8Array): Tag {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  return [0, 4, 8].map((at) => (at < data.length ? view.getUint32(at, true) : 0)) as unknown as Tag;
}

function tagBytes(tag: Tag, count: number): Uint8Array {
  const out = Buffer.alloc(4 * count);
  for (let i = 0; i < count; i++) out.writeUInt32LE(tag[i] >>> 0, 4 * i);
  return out;
}

const bigints = (data: Uint8Array): bigint[] => {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  return Array.from({ length: data.length >> 3 }, (_, i) => view.getBigUint64(8 * i, true));
};

/** The extension for tags of so many words; the two differ in nothing else. */
function psmExtension<const N extends 'psm' | 'psm2'>(name: N, tagWords: 2 | 3) {
  const endpoint = objectType<EndpointState>('endpoint', 0, ({ state }) => state?.ep.close());
  const connection = objectType<Connection>('connection', 1, () => {});
  // What cannot be taken back goes on without its name, and holds its region until it is done.
  const request = objectType<{ readonly ep: PsmEndpoint; readonly request: Request }>('request', 2, ({ state }) => {
    if (state !== null && !state.request.done) state.ep.cancel(state.request);
  });
  const tag = <D extends 'in' | 'out'>(id: number, direction: D): Attr<Uint8Array, D, false> =>
    bytes(id, direction, 4 * tagWords);
  const span = { mr: object(2, 'mr'), offset: u64(3, 'in'), length: u32(4, 'in') };

  return defineExtension(name, {
    open: method(
      endpoint,
      0,
      { pd: object(0, 'pd'), uuid: bytes(1, 'in', 16), endpoint: made(2, endpoint), epid: u64(3, 'out') },
      ({ context, args }) => {
        const clock = clocks.get(context.device);
        if (clock === undefined) fail(`${name}.open`, 'ENODEV', `device ${context.device.name} has no endpoints`);
        const ep = new PsmEndpoint(args.pd, { uuid: args.uuid, clock, tagWords });
        const active: ActiveArrival[] = [];
        for (let handler = 0; handler < 256; handler++) {
          ep.onActive(handler, ({ source, args: given, data }) =>
            active.push({ source, handler, args: given, data: Buffer.from(data) }),
          );
        }
        args.endpoint.state = { ep, active };
        standOn(args.endpoint, args.pd);
        return { epid: ep.epid };
      },
    ),
    progress: method(endpoint, 1, { endpoint: own(0, endpoint) }, ({ args }) => {
      args.endpoint.state!.ep.progress();
      return {};
    }),
    close: method(endpoint, 2, { endpoint: own(0, endpoint, 'destroy') }, () => ({})),
    connect: method(
      connection,
      0,
      { endpoint: own(0, endpoint), epid: u64(1, 'in'), connection: made(2, connection) },
      ({ args }) => {
        args.connection.state = args.endpoint.state!.ep.connect(args.epid);
        standOn(args.connection, args.endpoint);
        return {};
      },
    ),
    /** 0: connecting, 1: connected, 2: failed. */
    state: method(connection, 1, { connection: own(0, connection), state: u8(1, 'out') }, ({ args }) => ({
      state: STATES[args.connection.state!.state],
    })),
    /** Lets go of the name; the connection stays with its endpoint. */
    release: method(connection, 2, { connection: own(0, connection, 'destroy') }, () => ({})),
    isend: method(
      request,
      0,
      {
        endpoint: own(0, endpoint),
        connection: own(1, connection),
        ...span,
        tag: tag(5, 'in'),
        request: made(6, request),
      },
      ({ args }) => {
        const { ep } = args.endpoint.state!;
        const { mr, offset, length } = args;
        const sent = ep.isend(args.connection.state!, words(args.tag), { mr, offset, length });
        args.request.state = { ep, request: sent };
        standOn(args.request, args.endpoint);
        return {};
      },
    ),
    irecv: method(
      request,
      1,
      {
        endpoint: own(0, endpoint),
        /** Absent: from anybody. */
        source: optional(u64(1, 'in')),
        ...span,
        tag: tag(5, 'in'),
        select: tag(6, 'in'),
        request: made(7, request),
      },
      ({ args }) => {
        const { ep } = args.endpoint.state!;
        const { mr, offset, length } = args;
        const wanted = ep.irecv(args.source ?? null, words(args.tag), words(args.select), { mr, offset, length });
        args.request.state = { ep, request: wanted };
        standOn(args.request, args.endpoint);
        return {};
      },
    ),
    /** Lets the endpoint work; `status` 0: ok, 1: truncated, 2: cancelled, 3: failed. */
    test: method(
      request,
      2,
      {
        request: own(0, request),
        done: u8(1, 'out'),
        status: u8(2, 'out'),
        source: u64(3, 'out'),
        tag: tag(4, 'out'),
        messageLength: u32(5, 'out'),
        length: u32(6, 'out'),
      },
      ({ args }) => {
        const { ep, request: it } = args.request.state!;
        const done = ep.test(it) ? 1 : 0;
        const { source, messageLength, length } = it;
        return { done, status: STATUS[it.status], source, tag: tagBytes(it.tag, tagWords), messageLength, length };
      },
    ),
    cancel: method(request, 3, { request: own(0, request), cancelled: u8(1, 'out') }, ({ args }) => {
      const { ep, request: it } = args.request.state!;
      return { cancelled: ep.cancel(it) ? 1 : 0 };
    }),
    /** Lets go of the name; a receive that nothing has matched is taken back. */
    requestFree: method(request, 4, { request: own(0, request, 'destroy') }, () => ({})),
    iprobe: method(
      endpoint,
      3,
      {
        endpoint: own(0, endpoint),
        source: optional(u64(1, 'in')),
        tag: tag(2, 'in'),
        select: tag(3, 'in'),
        found: u8(4, 'out'),
        from: u64(5, 'out'),
        messageTag: tag(6, 'out'),
        length: u32(7, 'out'),
      },
      ({ args }) => {
        const { ep } = args.endpoint.state!;
        const it = ep.iprobe(args.source ?? null, words(args.tag), words(args.select));
        const messageTag = tagBytes(it?.tag ?? [0, 0, 0], tagWords);
        return { found: it === null ? 0 : 1, from: it?.source ?? 0, messageTag, length: it?.length ?? 0 };
      },
    ),
    active: method(
      endpoint,
      4,
      {
        endpoint: own(0, endpoint),
        connection: own(1, connection),
        handler: u8(2, 'in'),
        args: bytes(3, 'in', 0, MAX_ARGS),
        data: bytes(4, 'in', 0, MAX_DATA - MAX_ARGS),
      },
      ({ args }) => {
        const { ep } = args.endpoint.state!;
        ep.active(args.connection.state!, args.handler, bigints(args.args), args.data);
        return {};
      },
    ),
    /** The next active message that has come: a program by numbers runs its handlers itself. */
    activePoll: method(
      endpoint,
      5,
      {
        endpoint: own(0, endpoint),
        found: u8(1, 'out'),
        source: u64(2, 'out'),
        handler: u8(3, 'out'),
        args: bytes(4, 'out', 0, MAX_ARGS),
        data: bytes(5, 'out', 0, MAX_DATA),
      },
      ({ args }) => {
        const { ep, active } = args.endpoint.state!;
        ep.progress();
        const it = active.shift();
        const given = Buffer.alloc(8 * (it?.args.length ?? 0));
        for (const [i, arg] of (it?.args ?? []).entries()) given.writeBigUInt64LE(arg, 8 * i);
        const { source = 0, handler = 0, data = Buffer.alloc(0) } = it ?? {};
        return { found: it === undefined ? 0 : 1, source, handler, args: given, data };
      },
    ),
  });
}

/** Tags of 96 bits. */
export const psm2 = psmExtension('psm2', 3);
/** Tags of 64 bits. */
export const psm = psmExtension('psm', 2);
