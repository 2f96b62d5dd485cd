// An endpoint of PSM or PSM2: connections to others, a matched queue, active messages; all of it on the verbs of the context
// it is opened in. It works when it is asked to: in progress(), as PSM does.
import { checkInteger, fail } from '../../core/check.ts';
import { Access } from '../../core/constants.ts';
import type { ProtectionDomain } from '../../core/pd.ts';
import { regMr } from '../../core/verbs.ts';
import { type Connection, READ, WRITE } from './connection.ts';
import { MatchedQueue, NO_TAG, type Tag } from './matched-queue.ts';
import { ActiveParcel, EagerParcel, Parcel } from './parcel.ts';
import { type Header, headerOf, Kind } from './protocol.ts';
import { type Message, type Probe, type Receive, Request, type Span } from './request.ts';
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
    this.wire = new Wire(pd, options, (connection, header, buf, at, length) =>
      this.take(connection, header, buf, at, length),
    );
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
    const request = new Request('send', span.mr);
    request.tag = this.cut(tag);
    request.messageLength = span.length;
    request.length = span.length;
    if (span.length <= this.wire.eagerMax) this.sendEager(connection, request, span);
    else this.sendReady(connection, request, span);
    return request;
  }

  private sendEager(connection: Connection, request: Request, span: Span): void {
    const { tag } = request;
    const header = { kind: Kind.EAGER, handler: 0, args: 0, id: 0, length: span.length, tag, addr: 0, rkey: 0 };
    this.wire.send(connection, new EagerParcel(header, span, request));
  }

  // The receiver reads it when it has where to: through a region of its own, which ends with the message.
  private sendReady(connection: Connection, request: Request, span: Span): void {
    const { memory } = span.mr;
    const region = regMr(this.pd, memory, { offset: span.offset, length: span.length, access: Access.REMOTE_READ });
    const id = this.nextId++;
    request.readable = region;
    connection.ready.set(id, request);
    const { iova: addr, rkey } = region;
    const header = headerOf(Kind.READY, { tag: request.tag, length: span.length, id, addr, rkey });
    this.wire.send(connection, new Parcel(header));
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
    const receive = this.mq.posted.find((it) => it.request === request);
    if (receive === undefined || !this.mq.cancel(receive)) return false;
    request.finish('cancelled');
    return true;
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
    if (message.data !== null) {
      const written = span.mr.memory.write(span.offset, message.data, message.at, request.length);
      return request.finish(written ? status : 'failed');
    }
    const connection = this.connections.get(message.source)!;
    const done = (ok: boolean): void => {
      request.finish(ok ? status : 'failed');
      if (ok) this.wire.send(connection, new Parcel(headerOf(Kind.DONE, { id: message.id })));
    };
    if (request.length === 0) return done(true);
    const sge = { addr: span.mr.iova + span.offset, length: request.length, lkey: span.mr.lkey };
    connection.post({ opcode: READ, sge, remoteAddr: message.addr, rkey: message.rkey, completed: done });
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
    const room = this.wire.eagerMax - 8 * args.length;
    checkInteger('psm.active', 'data.length', data.length, 0, room);
    const header = headerOf(Kind.ACTIVE, { handler, args: args.length, length: data.length });
    this.wire.send(connection, new ActiveParcel(header, args, data, completed));
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

  private take(connection: Connection, header: Header, buf: Buffer, at: number, length: number): void {
    switch (header.kind) {
      case Kind.EAGER:
      case Kind.READY:
        return this.arrive(connection, header, buf, at, length);
      case Kind.DONE: {
        const request = connection.ready.get(header.id);
        connection.ready.delete(header.id);
        return request?.finish();
      }
      case Kind.ACTIVE:
        return this.run(connection, header, buf.subarray(at, at + length));
    }
  }

  private arrive(connection: Connection, header: Header, buf: Buffer, at: number, there: number): void {
    const { tag, length, id, addr, rkey } = header;
    const eager = header.kind === Kind.EAGER;
    if (eager && there !== length) return;
    const message: Message = { source: connection.epid, tag, length, data: eager ? buf : null, at, id, addr, rkey };
    const receive = this.mq.arrive(message);
    if (receive !== null) return this.deliver(receive, message);
    if (!eager) return;
    // It waits for its receive elsewhere: the buffer is for what comes next.
    message.data = Buffer.from(buf.subarray(at, at + length));
    message.at = 0;
  }

  private run(connection: Connection, { handler, args: count, length }: Header, rest: Buffer): void {
    const run = this.handlers[handler];
    if (run === null || count > MAX_ARGS || rest.length !== 8 * count + length) return;
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
    for (const receive of this.mq.posted.splice(0)) receive.request.finish('cancelled');
    this.wire.close();
  }
}
