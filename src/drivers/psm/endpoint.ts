// An endpoint of PSM or PSM2: connections to others, a matched queue, active messages; all of it on the verbs of the context
// it is opened in. It works when it is asked to: in progress(), as PSM does.
import { checkInteger, fail } from '../../core/check.ts';
import { Access } from '../../core/constants.ts';
import type { MemoryRegion } from '../../core/mr.ts';
import type { ProtectionDomain } from '../../core/pd.ts';
import { regMr } from '../../core/verbs.ts';
import { type Connection, READ, WRITE } from './connection.ts';
import { MatchedQueue, NO_TAG, type Tag } from './matched-queue.ts';
import { ActiveParcel, DoneParcel, EagerParcel, ReadyParcel } from './parcel.ts';
import {
  ACTIVE,
  DONE,
  EAGER,
  getArgs,
  getDoneId,
  getHandler,
  getReadyLength,
  getRemote,
  getTag,
  Kind,
  READY,
  type Remote,
} from './protocol.ts';
import { type Message, type Probe, type Receive, Request, type RequestStatus, type Span } from './request.ts';
import { Wire, type WireOptions } from './wire.ts';

export interface EndpointOptions extends WireOptions {
  /** Words of a tag: 3 for PSM2, 2 for PSM. Default 3. */
  readonly tagWords?: 2 | 3;
}

/** An active message's arguments, and how its handler answers. */
export interface ActiveMessage {
  readonly source: number;
  readonly args: readonly bigint[];
  /** Valid during the call of the handler. */
  readonly data: Buffer;
  /** Runs a handler at the sender. */
  reply(handler: number, args: readonly bigint[], data?: Uint8Array): void;
}

export type Handler = (message: ActiveMessage) => void;

const MAX_ARGS = 8;
const HANDLERS = 256;
const NO_DATA = Buffer.alloc(0);
const LEAST = Math.min(EAGER, READY, DONE, ACTIVE);

export class PsmEndpoint {
  readonly mq = new MatchedQueue<Message, Receive>();
  private readonly pd: ProtectionDomain;
  private readonly tagWords: 2 | 3;
  private readonly wire: Wire;
  private readonly handlers: (Handler | null)[] = new Array<Handler | null>(HANDLERS).fill(null);
  private nextId = 1;

  constructor(pd: ProtectionDomain, options: EndpointOptions) {
    this.pd = pd;
    this.tagWords = options.tagWords ?? 3;
    this.wire = new Wire(pd, options, (connection, buf, at, length) => this.take(connection, buf, at, length));
  }

  /** The name that others connect to it by. */
  get epid(): number {
    return this.wire.epid;
  }

  get connections(): ReadonlyMap<number, Connection> {
    return this.wire.connections;
  }

  /** Asks for a connection; progress() makes it. The same one for the same endpoint. */
  connect(epid: number): Connection {
    return this.wire.connect(epid);
  }

  /** Takes in what has come, answers, sends what waits. */
  progress(): void {
    this.wire.progress();
  }

  // Matched queue

  /** Sends a part of a region; done when the part may be used again. Messages to one endpoint keep their order. */
  isend(connection: Connection, tag: Tag, span: Span): Request {
    this.checkSpan('psm.isend', span, 0);
    // The receiver of a long one reads it when it has where to: through a region of its own, which ends with the message.
    const readable = span.length > this.wire.eagerMax ? this.readable(span) : null;
    const request = new Request('send', span.mr);
    request.tag = this.cut(tag);
    request.messageLength = span.length;
    request.length = span.length;
    if (readable === null) this.wire.send(connection, new EagerParcel(request, span));
    else this.sendReady(connection, request, readable);
    return request;
  }

  private readable({ mr, offset, length }: Span): MemoryRegion {
    return regMr(this.pd, mr.memory, { offset, length, access: Access.REMOTE_READ });
  }

  private sendReady(connection: Connection, request: Request, region: MemoryRegion): void {
    const { ready } = connection;
    const id = this.nextId++;
    request.readable = region;
    ready.set(id, request);
    this.wire.send(connection, new ReadyParcel(request, { id, addr: region.iova, rkey: region.rkey }, ready));
  }

  /** Posts a receive into a part of a region. `source` null: from anybody. */
  irecv(source: number | null, tag: Tag, select: Tag, span: Span): Request {
    const receive = this.receive(source, this.cut(tag), this.cut(select), span);
    const message = this.mq.post(receive);
    if (message !== null) this.deliver(receive, message);
    return receive.request;
  }

  /** The message that such a receive would take now; it stays in the queue. */
  iprobe(source: number | null, tag: Tag, select: Tag): Probe | null {
    this.progress();
    return this.mq.probe({ source, tag: this.cut(tag), select: this.cut(select) });
  }

  /** The same, and it is taken out of the queue: {@link imrecv} receives it, and nothing else. */
  improbe(source: number | null, tag: Tag, select: Tag): Message | null {
    this.progress();
    return this.mq.take({ source, tag: this.cut(tag), select: this.cut(select) });
  }

  imrecv(message: Message, span: Span): Request {
    const receive = this.receive(message.source, message.tag, NO_TAG, span);
    this.deliver(receive, message);
    return receive.request;
  }

  /** Takes a receive back; false when a message has matched it. A send is not taken back. */
  cancel(request: Request): boolean {
    const receive = this.mq.cancel((it) => it.request === request);
    receive?.request.finish('cancelled');
    return receive !== null;
  }

  /** Is it done? Lets the endpoint work. */
  test(request: Request): boolean {
    if (!request.done) this.progress();
    return request.done;
  }

  private receive(source: number | null, tag: Tag, select: Tag, span: Span): Receive {
    this.checkSpan('psm.irecv', span, Access.LOCAL_WRITE);
    return { source, tag, select, span, request: new Request('receive', span.mr) };
  }

  private deliver({ request, span }: Receive, message: Message): void {
    request.source = message.source;
    request.tag = message.tag;
    request.messageLength = message.length;
    request.length = Math.min(message.length, span.length);
    const status = message.length > span.length ? 'truncated' : 'ok';
    if (message.remote !== null) return this.read(request, span, message.source, message.remote, status);
    const written = span.mr.memory.write(span.offset, message.data, message.at, request.length);
    request.finish(written ? status : 'failed');
  }

  private read(request: Request, { mr, offset }: Span, source: number, remote: Remote, status: RequestStatus): void {
    const from = this.connections.get(source);
    // The endpoint is closed.
    if (from === undefined) return request.finish('failed');
    const completed = (ok: boolean): void => {
      request.finish(ok ? status : 'failed');
      if (ok) this.wire.send(from, new DoneParcel(remote.id));
    };
    if (request.length === 0) return completed(true);
    const sge = { addr: mr.iova + offset, length: request.length, lkey: mr.lkey };
    from.post({ opcode: READ, sge, remoteAddr: remote.addr, rkey: remote.rkey, completed });
  }

  // Active messages

  /** Says what is done with active messages for handler `index`. */
  onActive(index: number, handler: Handler): void {
    checkInteger('psm.onActive', 'index', index, 0, HANDLERS - 1);
    this.handlers[index] = handler;
  }

  /** Runs a handler at the peer. `completed` is called when the data may be used again. */
  active(
    connection: Connection,
    handler: number,
    args: readonly bigint[],
    data: Uint8Array = new Uint8Array(0),
    completed: (ok: boolean) => void = () => {},
  ): void {
    checkInteger('psm.active', 'handler', handler, 0, HANDLERS - 1);
    checkInteger('psm.active', 'args.length', args.length, 0, MAX_ARGS);
    for (const [i, arg] of args.entries()) {
      if (typeof arg !== 'bigint') fail('psm.active', 'EINVAL', `args[${i}] is a ${typeof arg}; a bigint is needed`);
    }
    const room = this.wire.eagerMax - 8 * args.length;
    checkInteger('psm.active', 'data.length', data.length, 0, room);
    this.wire.send(connection, new ActiveParcel(handler, args, data, completed));
  }

  /** A long active message: writes `span` to the peer's memory first; the handler runs when it is there. */
  activeLong(
    connection: Connection,
    handler: number,
    args: readonly bigint[],
    span: Span,
    to: { readonly addr: number; readonly rkey: number },
    completed: (ok: boolean) => void = () => {},
  ): void {
    this.checkSpan('psm.activeLong', span, 0);
    const sge = { addr: span.mr.iova + span.offset, length: span.length, lkey: span.mr.lkey };
    connection.post({ opcode: WRITE, sge, remoteAddr: to.addr, rkey: to.rkey, completed: () => {} });
    this.active(connection, handler, args, undefined, completed);
  }

  // What is shorter or longer than it may be comes from no endpoint.
  private take(connection: Connection, buf: Buffer, at: number, length: number): void {
    if (length < LEAST) return;
    switch (buf[at]) {
      case Kind.EAGER:
        return this.arriveEager(connection, buf, at, length - EAGER);
      case Kind.READY:
        return length === READY ? this.arriveReady(connection, buf, at) : undefined;
      case Kind.DONE: {
        if (length !== DONE) return;
        const id = getDoneId(buf, at);
        const request = connection.ready.get(id);
        connection.ready.delete(id);
        return request?.finish();
      }
      case Kind.ACTIVE:
        return this.run(connection, getHandler(buf, at), getArgs(buf, at), buf.subarray(at + ACTIVE, at + length));
    }
  }

  private arriveEager({ epid: source }: Connection, buf: Buffer, at: number, length: number): void {
    if (length < 0 || length > this.wire.eagerMax) return;
    const message: Message = { source, tag: getTag(buf, at), length, remote: null, data: buf, at: at + EAGER };
    const receive = this.mq.arrive(message);
    if (receive !== null) return this.deliver(receive, message);
    // It waits for its receive elsewhere: the buffer is for what comes next.
    message.data = Buffer.from(buf.subarray(message.at, message.at + length));
    message.at = 0;
  }

  private arriveReady({ epid: source }: Connection, buf: Buffer, at: number): void {
    const remote = getRemote(buf, at);
    const message: Message = {
      source,
      tag: getTag(buf, at),
      length: getReadyLength(buf, at),
      remote,
      data: NO_DATA,
      at: 0,
    };
    const receive = this.mq.arrive(message);
    if (receive !== null) this.deliver(receive, message);
  }

  private run(connection: Connection, handler: number, count: number, rest: Buffer): void {
    const run = this.handlers[handler];
    if (run === null || count > MAX_ARGS || rest.length < 8 * count || rest.length > this.wire.eagerMax) return;
    const args = Array.from({ length: count }, (_, i) => rest.readBigUInt64BE(8 * i));
    const reply = (index: number, answer: readonly bigint[], data?: Uint8Array): void =>
      this.active(connection, index, answer, data);
    run({ source: connection.epid, args, data: rest.subarray(8 * count), reply });
  }

  private cut(tag: Tag): Tag {
    return this.tagWords === 2 ? [tag[0], tag[1], 0] : tag;
  }

  private checkSpan(verb: string, { mr, offset, length }: Span, right: number): void {
    if (mr.destroyed || mr.pd !== this.pd)
      fail(verb, 'EINVAL', 'the region is not of the endpoint’s protection domain');
    if ((mr.access & right) !== right) fail(verb, 'EINVAL', 'the region was registered without LOCAL_WRITE');
    checkInteger(verb, 'offset', offset, 0, mr.length);
    checkInteger(verb, 'length', length, 0, mr.length - offset);
  }

  close(): void {
    const { posted } = this.mq;
    for (let receive = posted.shift(); receive !== undefined; receive = posted.shift())
      receive.request.finish('cancelled');
    this.wire.close();
  }
}
