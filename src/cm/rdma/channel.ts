// Where events of ids arrive (`rdma_event_channel`): they wait until they are asked for.
import { Fifo } from '../../link/fifo.ts';
import type { RdmaCmEvent } from './events.ts';
import type { RdmaCmId } from './id.ts';

export class EventChannel {
  /** Called when an event has been put in. */
  onEvent: (() => void) | null = null;
  private events = new Fifo<RdmaCmEvent>();

  get length(): number {
    return this.events.length;
  }

  /** The oldest event; null when there is none. */
  get(): RdmaCmEvent | null {
    const event = this.events.shift();
    if (event === undefined) return null;
    event.id.eventsReported++;
    if (event.listenId !== null) event.listenId.pending--;
    return event;
  }

  /** @internal */
  put(event: RdmaCmEvent): void {
    this.events.push(event);
    this.onEvent?.();
  }

  /** @internal Takes out what concerns an id (its own events, and requests to it as a listener). */
  extract(id: RdmaCmId): RdmaCmEvent[] {
    const kept = new Fifo<RdmaCmEvent>();
    const out: RdmaCmEvent[] = [];
    for (let e = this.events.shift(); e !== undefined; e = this.events.shift()) {
      if (e.id === id || e.listenId === id) out.push(e);
      else kept.push(e);
    }
    this.events = kept;
    return out;
  }
}
