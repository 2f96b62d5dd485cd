// Which message fills which receive buffer. The rules are those that psm2_mq.h states for tags and MPI for order: of the
// receives that match a message the one posted first takes it; of the messages that match a receive, the one that came first.
import { Fifo } from '../../link/fifo.ts';

/** 96 bits, as three words; PSM's 64 bits are the first two. */
export type Tag = readonly [number, number, number];
export const NO_TAG: Tag = [0, 0, 0];

export interface Envelope {
  /** The sender's endpoint. */
  readonly source: number;
  readonly tag: Tag;
}

export interface Wanted {
  /** The endpoint it must come from; null: any. */
  readonly source: number | null;
  readonly tag: Tag;
  /** The bits of the tag that must be equal. */
  readonly select: Tag;
}

export function matches({ source, tag, select }: Wanted, message: Envelope): boolean {
  if (source !== null && source !== message.source) return false;
  const t = message.tag;
  return (((tag[0] ^ t[0]) & select[0]) | ((tag[1] ^ t[1]) & select[1]) | ((tag[2] ^ t[2]) & select[2])) === 0;
}

export class MatchedQueue<M extends Envelope, R extends Wanted> {
  /** Receives that nothing has matched yet, and messages that nobody has asked for yet; oldest first. */
  readonly posted = new Fifo<R>();
  readonly unexpected = new Fifo<M>();

  /** A receive is posted: the message it takes, or null, and then it waits. */
  post(receive: R): M | null {
    const message = this.take(receive);
    if (message === null) this.posted.push(receive);
    return message;
  }

  /** A message has come: the receive that takes it, or null, and then it waits. */
  arrive(message: M): R | null {
    const { posted } = this;
    for (let i = 0; i < posted.length; i++) if (matches(posted.at(i), message)) return posted.removeAt(i);
    this.unexpected.push(message);
    return null;
  }

  /** The message that such a receive would take, which stays. */
  probe(wanted: Wanted): M | null {
    const at = this.find(wanted);
    return at < 0 ? null : this.unexpected.at(at);
  }

  /** The same, and it is the caller's from now on. */
  take(wanted: Wanted): M | null {
    const at = this.find(wanted);
    return at < 0 ? null : this.unexpected.removeAt(at);
  }

  private find(wanted: Wanted): number {
    const { unexpected } = this;
    for (let i = 0; i < unexpected.length; i++) if (matches(wanted, unexpected.at(i))) return i;
    return -1;
  }

  /** Takes back a receive that `is` it; null when a message has taken it already. */
  cancel(is: (receive: R) => boolean): R | null {
    const { posted } = this;
    for (let i = 0; i < posted.length; i++) if (is(posted.at(i))) return posted.removeAt(i);
    return null;
  }
}
