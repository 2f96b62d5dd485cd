// An open rdma_cm device: what librdmacm calls an event channel.
import { EventChannel } from '../cm/rdma/channel.ts';
import type { RdmaCmEvent } from '../cm/rdma/events.ts';
import type { Multicast } from '../cm/rdma/id.ts';
import type { CreateIdOptions } from '../cm/rdma/rdma-cm.ts';
import { EFAULT, EINVAL, EIO, ENOSPC, errnoOf, refuse } from '../uverbs/errno.ts';
import { UcmaCall } from './call.ts';
import type { UcmaCaller } from './caller.ts';
import { isNoUid, NO_UID, UcmaContext, UcmaMulticast, type Uid } from './context.ts';
import type { FileOwner, UcmaDevice } from './device.ts';
import { EventQueue } from './event-queue.ts';
import { eventRecord } from './events.ts';
import { COMMANDS, Command } from './ids.ts';
import { CmdHdr } from './layout.ts';
import { commandOf } from './table.ts';

const ENOSYS = 38;

export class UcmaFile {
  readonly id: number;
  readonly device: UcmaDevice;
  readonly owner: FileOwner;
  /** The program gets a pipe's end, readable while events wait; not a memory file with doorbells in it. */
  readonly memory = false;
  readonly behind = false;
  private readonly channel = new EventChannel();
  private readonly events = new EventQueue();
  private readonly contexts = new Set<UcmaContext>();
  private closed = false;

  /** Made by {@link UcmaDevice.open}. */
  constructor(id: number, device: UcmaDevice, owner: FileOwner) {
    this.id = id;
    this.device = device;
    this.owner = owner;
    this.channel.onEvent = () => this.take();
  }

  /** Our descriptor of what the program gets, opened anew through /proc/self/fd. */
  get fd(): number {
    return this.events.flag.fd;
  }

  /** As /proc describes the program's descriptors of it. */
  get description(): string {
    return this.events.flag.name;
  }

  /**
   * write(2) of `length` bytes at `address`: its result, or a negated errno; null when it is answered later. Never throws.
   */
  write(caller: UcmaCaller, address: number, length: number): number | null {
    if (this.closed) return -EIO;
    try {
      return this.dispatch(caller, address, length);
    } catch (error) {
      this.device.onError?.(error);
      return -errnoOf(error);
    }
  }

  private dispatch(caller: UcmaCaller, address: number, length: number): number | null {
    if (length < CmdHdr.size) return -EINVAL;
    const header = Buffer.alloc(CmdHdr.size);
    if (!caller.read(address, header, 0, CmdHdr.size)) return -EFAULT;
    const number = header.readUInt32LE(CmdHdr.cmd);
    const inBytes = header.readUInt16LE(CmdHdr.in);
    const room = header.readUInt16LE(CmdHdr.out);
    if (number >= COMMANDS || inBytes + CmdHdr.size > length) return -EINVAL;
    const command = commandOf(number);
    if (command === undefined) return -ENOSYS;
    if (room < command.room) return -ENOSPC;
    if (inBytes < command.min) return -EINVAL;
    const request = Buffer.alloc(command.size);
    if (!caller.read(address + CmdHdr.size, request, 0, Math.min(inBytes, command.size))) return -EFAULT;
    const call = new UcmaCall(this, caller, request, room);
    if (number === Command.GET_EVENT) return this.events.get(call, length);
    command.run(call);
    return length;
  }

  // For the commands

  createId(uid: Uid, options: Omit<CreateIdOptions, 'channel' | 'context'>): UcmaContext {
    const context = this.newContext(uid) ?? refuse('ENOMEM', 'too many ids');
    try {
      context.cmId = this.device.cm.createId({ ...options, channel: this.channel, context });
    } catch (error) {
      this.forget(context);
      throw error;
    }
    return context;
  }

  destroyId(context: UcmaContext): void {
    this.forget(context);
    context.cmId?.destroy();
    for (const multicast of context.multicasts) this.device.multicasts.delete(multicast.number);
    // Requests that nobody has fetched are refused by destroying their ids.
    for (const { child } of this.events.extract(context)) if (child !== null) child.file.destroyId(child);
  }

  /** A context of another file becomes this one's, with the events that wait. */
  adopt(context: UcmaContext): void {
    const from = context.file;
    if (from === this) return;
    if (!this.hasRoom()) refuse('ENOMEM', 'too many ids');
    this.move(context, from);
    for (const event of from.events.extract(context)) {
      if (event.child !== null) this.move(event.child, from);
      this.events.put(event);
    }
  }

  private move(context: UcmaContext, from: UcmaFile): void {
    from.contexts.delete(context);
    this.contexts.add(context);
    context.file = this;
    context.cmId!.migrate(this.channel);
  }

  /** `tell` tells the program the number of the membership; its event follows. */
  join(context: UcmaContext, uid: Uid, address: Uint8Array, tell: (number: number) => void): void {
    const { multicasts, limits } = this.device;
    if (context.multicasts.size >= limits.multicasts) refuse('ENOMEM', `${limits.multicasts} multicast groups`);
    const multicast = multicasts.add((number) => new UcmaMulticast(number, context, uid));
    context.multicasts.add(multicast);
    try {
      multicast.member = context.cmId!.joinMulticast(address, multicast);
      tell(multicast.number);
    } catch (error) {
      this.end(multicast);
      throw error;
    }
  }

  /** Ends a membership; how many events about it the program has been given. */
  leave(number: number): number {
    const multicast = this.device.multicasts.get(number) ?? refuse('ENOENT', `there is no membership ${number}`);
    if (multicast.context.file !== this) refuse('EINVAL', `membership ${number} is of another file`);
    this.end(multicast);
    return multicast.eventsReported;
  }

  private end(multicast: UcmaMulticast): void {
    const { context, member } = multicast;
    this.device.multicasts.delete(multicast.number);
    context.multicasts.delete(multicast);
    if (member !== null) context.cmId!.leaveMulticast(member.address);
    this.events.extract(multicast);
  }

  // Events

  private take(): void {
    for (let event = this.channel.get(); event !== null; event = this.channel.get()) this.arrived(event);
  }

  private arrived(event: RdmaCmEvent): void {
    if (event.type === 'CONNECT_REQUEST') return this.requested(event);
    const context = event.id.context as UcmaContext | null;
    // Until the program has said what it calls the id, by accepting, it hears nothing of it.
    if (context === null || isNoUid(context.uid)) return;
    const multicast = event.multicast === null ? null : ((event.multicast as Multicast).context as UcmaMulticast);
    const record = eventRecord(event, context, multicast, null);
    this.events.put({ context, multicast, child: null, record });
  }

  private requested(event: RdmaCmEvent): void {
    const { id, listenId } = event;
    const context = listenId!.context as UcmaContext;
    const child = this.newContext(NO_UID);
    if (child === null) {
      id.destroy();
      return;
    }
    child.cmId = id;
    id.context = child;
    // It takes up the backlog until the program fetches it, which is not yet.
    listenId!.pending++;
    const record = eventRecord(event, context, null, child);
    if (this.events.put({ context, multicast: null, child, record })) return;
    listenId!.pending--;
    this.destroyId(child);
  }

  // Contexts

  private hasRoom(): boolean {
    const { contexts, limits } = this.device;
    return contexts.size < limits.ids && this.contexts.size < limits.idsPerFile;
  }

  private newContext(uid: Uid): UcmaContext | null {
    if (!this.hasRoom()) return null;
    const context = this.device.contexts.add((number) => new UcmaContext(number, this, uid));
    this.contexts.add(context);
    return context;
  }

  private forget(context: UcmaContext): void {
    this.contexts.delete(context);
    this.device.contexts.delete(context.number);
  }

  /** There are none. */
  takeDoorbells(): number {
    return 0;
  }

  /** The program's last descriptor is closed: all its ids go. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const context of this.contexts) this.destroyId(context);
    this.events.close();
    this.device.forget(this);
  }
}
