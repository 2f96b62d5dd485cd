// What is known of one direction of a connection: the requests that went to a queue pair, and what came back for them.
import { Arrival, Sequence } from './sequence.ts';

/** A READ, ATOMIC or the like: what its responses belong to. */
interface Asked {
  readonly at: number;
  readonly span: number;
}

const MOST_ASKED = 4096;

/** Requests from one host to one queue pair of another. */
export class RequestStream {
  readonly from: string;
  readonly to: string;
  /** Where the requests go to. */
  readonly qpn: number;
  /** The queue pair that sends them, once an answer to it has been seen; -1 before. */
  replyQpn = -1;
  readonly sent: Sequence;
  private readonly answered = new Sequence(0);
  private asked: Asked[] = [];
  /** Counted PSN after the last one acknowledged. */
  acked = 0;

  constructor(from: string, to: string, qpn: number, psn: number) {
    this.from = from;
    this.to = to;
    this.qpn = qpn;
    this.sent = new Sequence(psn);
  }

  restart(psn: number): void {
    this.sent.restart(psn);
    this.answered.restart(0);
    this.asked = [];
    this.acked = 0;
  }

  /** A request that is answered by responses with `span` PSNs. */
  ask(at: number, span: number): void {
    this.asked.push({ at, span });
    if (this.asked.length > MOST_ASKED) this.asked.splice(0, MOST_ASKED / 2);
  }

  /** Could a response with this PSN be for something sent on this stream? */
  fits(psn: number): boolean {
    const at = this.sent.count(psn);
    return at >= 0 && at < this.sent.next;
  }

  /** What was asked for that the counted PSN belongs to: the newest, because a READ is asked for again from its middle. */
  askedAt(at: number): Asked | null {
    for (let i = this.asked.length - 1; i >= 0; i--) {
      const it = this.asked[i];
      if (at >= it.at && at < it.at + it.span) return it;
    }
    return null;
  }

  /** A response with data: is it new, and are others missing before it? */
  answer(at: number, asked: Asked | null): { readonly again: boolean; readonly lacking: number } {
    const { answered } = this;
    const from = Math.max(answered.next, asked?.at ?? at);
    const lacking = Math.max(0, at - from);
    // What lies between two READs are requests that are answered otherwise: they are not missing.
    if (from > answered.next) answered.next = from;
    return { again: answered.take(at) === Arrival.AGAIN, lacking };
  }

  /** All before the counted `end` is acknowledged; the first that was not before, or null when it says nothing new. */
  acknowledge(end: number): number | null {
    if (end <= this.acked) return null;
    const first = this.acked;
    this.acked = end;
    return first;
  }
}
