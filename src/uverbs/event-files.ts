// The event files of one open device: completion channels, and files for asynchronous events.
import type { AsyncEvent, Context } from '../core/context.ts';
import type { CompletionChannel, CompletionQueue } from '../core/cq.ts';
import type { VerbsObject } from '../core/object.ts';
import { createCompChannel, destroyCompChannel } from '../core/verbs-cq.ts';
import type { Caller } from './caller.ts';
import { refuse } from './errno.ts';
import { EventOwner, EventStream } from './event-stream.ts';
import { AsyncEventDesc, CompEventDesc } from './layout.ts';

/** Files for asynchronous events that one context may have; libibverbs uses one. */
const MOST_ASYNC = 16;
const PORT = new EventOwner(1, 0);

interface Channel {
  readonly stream: EventStream;
  readonly channel: CompletionChannel;
}

interface Registered {
  readonly owner: EventOwner;
  readonly async: EventStream | null;
}

export class EventFiles {
  // By the inode of the pipe.
  private readonly channels = new Map<number, Channel>();
  private readonly asyncs = new Map<number, EventStream>();
  private readonly owners = new Map<VerbsObject, Registered>();
  private defaultAsync: EventStream | null = null;
  /** Streams whose pipes had no room. */
  private readonly full = new Set<EventStream>();
  private sweepAt = 16;
  private readonly completion = Buffer.alloc(CompEventDesc.size);
  private readonly async = Buffer.alloc(AsyncEventDesc.size);

  /** A completion channel; `give` hands its file to the program. */
  newChannel<T>(context: Context, give: (fd: number) => T): T {
    if (this.channels.size >= this.sweepAt) this.sweep();
    const stream = new EventStream('completions', CompEventDesc.size);
    let channel: CompletionChannel | null = null;
    try {
      channel = createCompChannel(context);
      const given = stream.pipe.giveReadEnd(give);
      channel.onEvent = (cq) => this.completed(stream, cq);
      this.channels.set(stream.pipe.inode, { stream, channel });
      return given;
    } catch (error) {
      if (channel !== null) destroyCompChannel(channel);
      stream.close();
      throw error;
    }
  }

  /** A file for asynchronous events. The first is for the port's, and for objects that name none. */
  newAsync<T>(give: (fd: number) => T): T {
    this.sweepAsyncs();
    if (this.asyncs.size >= MOST_ASYNC) refuse('EMFILE', `${MOST_ASYNC} files for asynchronous events`);
    const stream = new EventStream('asyncs', AsyncEventDesc.size);
    try {
      const given = stream.pipe.giveReadEnd(give);
      this.asyncs.set(stream.pipe.inode, stream);
      this.defaultAsync ??= stream;
      return given;
    } catch (error) {
      stream.close();
      throw error;
    }
  }

  /** The channel behind a descriptor of the program; EBADF when it is no channel of this device's. */
  channelOf(caller: Caller, fd: number): CompletionChannel {
    return (this.channels.get(inodeOf(caller, fd)) ?? notOurs(fd)).channel;
  }

  asyncOf(caller: Caller, fd: number): EventStream {
    return this.asyncs.get(inodeOf(caller, fd)) ?? notOurs(fd);
  }

  /** `object` has events from now on, under its user handle; asynchronous ones go to `async`. */
  register(object: VerbsObject, lo: number, hi: number, async: EventStream | null): void {
    this.owners.set(object, { owner: new EventOwner(lo, hi), async: async ?? this.defaultAsync });
  }

  /** The object is gone, and with it what the program has not read of its events; the owner has the counts of the rest. */
  release(object: VerbsObject): EventOwner {
    const { owner, async } = this.owners.get(object)!;
    this.owners.delete(object);
    if (object.kind === 'cq') {
      const channel = (object as CompletionQueue).channel;
      for (const it of this.channels.values()) if (it.channel === channel) it.stream.withdraw(owner);
    }
    async?.withdraw(owner);
    return owner;
  }

  /** For the context's `onAsyncEvent`. */
  readonly raised = ({ type, object }: AsyncEvent): void => {
    if (object === null) {
      // ib_uverbs_event_handler: the element is the port, for the device's events too.
      for (const stream of this.asyncs.values()) this.sendAsync(stream, type, PORT, null);
      return;
    }
    const its = this.owners.get(object);
    if (its !== undefined && its.async !== null) this.sendAsync(its.async, type, its.owner, its.owner);
  };

  /** Gives out what did not fit into the pipes; true while something waits. */
  retry(): boolean {
    for (const stream of this.full) if (!stream.retry()) this.full.delete(stream);
    return this.full.size > 0;
  }

  close(): void {
    for (const { stream } of this.channels.values()) stream.close();
    for (const stream of this.asyncs.values()) stream.close();
    this.channels.clear();
    this.asyncs.clear();
    this.owners.clear();
  }

  private completed(stream: EventStream, cq: CompletionQueue): void {
    const its = this.owners.get(cq);
    if (its === undefined) return;
    this.completion.writeUInt32LE(its.owner.lo, CompEventDesc.cqHandle);
    this.completion.writeUInt32LE(its.owner.hi, CompEventDesc.cqHandle + 4);
    if (!stream.send(this.completion, its.owner)) this.full.add(stream);
  }

  private sendAsync(stream: EventStream, type: number, named: EventOwner, counted: EventOwner | null): void {
    this.async.writeUInt32LE(named.lo, AsyncEventDesc.element);
    this.async.writeUInt32LE(named.hi, AsyncEventDesc.element + 4);
    this.async.writeUInt32LE(type, AsyncEventDesc.eventType);
    if (!stream.send(this.async, counted)) this.full.add(stream);
  }

  // Nothing tells that a program has closed a channel: it shows when one looks, and one looks when there are many.
  private sweep(): void {
    for (const [inode, { stream, channel }] of this.channels) {
      if (channel.users > 0 || stream.pipe.hasReader) continue;
      destroyCompChannel(channel);
      stream.close();
      this.channels.delete(inode);
    }
    this.sweepAt = Math.max(16, 2 * this.channels.size);
  }

  private sweepAsyncs(): void {
    for (const [inode, stream] of this.asyncs) {
      if (stream.pipe.hasReader || stream === this.defaultAsync) continue;
      stream.close();
      this.asyncs.delete(inode);
    }
  }
}

function inodeOf(caller: Caller, fd: number): number {
  const inode = /^pipe:\[(\d+)\]$/.exec(caller.describeFd(fd) ?? '')?.[1];
  return inode === undefined ? notOurs(fd) : Number(inode);
}

function notOurs(fd: number): never {
  refuse('EBADF', `descriptor ${fd} is no event file of this device`);
}
