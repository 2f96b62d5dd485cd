// Events of one file on their way to its program: they wait for GET_EVENT, or GET_EVENT waits for them.
import { FlagPipe } from '../os/flag-pipe.ts';
import { EFAULT, refuse } from '../uverbs/errno.ts';
import type { UcmaCall } from './call.ts';
import type { Deferred } from './caller.ts';
import type { UcmaContext, UcmaMulticast } from './context.ts';
import type { UcmaEvent } from './events.ts';
import { GetEvent } from './layout.ts';

/** What becomes of events that a program never fetches: the newest are lost (Linux keeps them until memory ends). */
const MOST = 65536;

interface Waiting {
  readonly call: UcmaCall;
  readonly length: number;
  readonly deferred: Deferred;
}

export class EventQueue {
  /** Readable while events wait. */
  readonly flag = new FlagPipe();
  private events: UcmaEvent[] = [];
  private waiting: Waiting[] = [];

  /** False when there is no room. */
  put(event: UcmaEvent): boolean {
    if (this.events.length >= MOST) return false;
    this.events.push(event);
    this.serve();
    return true;
  }

  /** GET_EVENT, a call of `length` bytes: its result, or null when it waits. */
  get(call: UcmaCall, length: number): number | null {
    if (this.events.length === 0) {
      if (call.caller.nonBlocking) refuse('EAGAIN', 'no event waits');
      this.waiting = this.waiting.filter(({ deferred }) => deferred.waiting);
      this.waiting.push({ call, length, deferred: call.caller.defer() });
      return null;
    }
    const result = this.give(call, length);
    this.flag.set(this.events.length > 0);
    return result;
  }

  /** Takes out the events about a context or a membership. */
  extract(about: UcmaContext | UcmaMulticast): UcmaEvent[] {
    const of = (event: UcmaEvent): boolean => event.context === about || event.multicast === about;
    const taken = this.events.filter(of);
    if (taken.length > 0) this.events = this.events.filter((event) => !of(event));
    this.flag.set(this.events.length > 0);
    return taken;
  }

  close(): void {
    // Who still waits (another thread, while the program closes its channel and goes) waits on, as in Linux, where a write
    // under way keeps the file: rping would take an error for a failure.
    this.waiting = [];
    this.events = [];
    this.flag.close();
  }

  private serve(): void {
    while (this.events.length > 0 && this.waiting.length > 0) {
      const { call, length, deferred } = this.waiting.shift()!;
      if (deferred.waiting) deferred.answer(this.give(call, length));
    }
    this.flag.set(this.events.length > 0);
  }

  private give(call: UcmaCall, length: number): number {
    const event = this.events[0];
    const { record, context, multicast, child } = event;
    const bytes = Math.min(call.room, record.length);
    if (!call.caller.write(call.pointer(GetEvent.response), record, 0, bytes)) return -EFAULT;
    this.events.shift();
    context.eventsReported++;
    if (multicast !== null) multicast.eventsReported++;
    // The listener's backlog has room for another.
    if (child !== null) context.cmId!.pending--;
    return length;
  }
}
