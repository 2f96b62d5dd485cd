// Another device of this host: a ring to it, and one from it.
import { ECONNREFUSED } from '../os/constants.ts';
import type { Addressee } from '../os/letterbox.ts';
import { mapSealed, SharedFile } from '../os/memfd.ts';
import { type Delivery, type Post, Say } from './shm-post.ts';
import { Reader, RING_BYTES, RingReader, RingWriter } from './shm-ring.ts';

/** A device that is not there is asked for again after so long, in microseconds, and then after twice as long, up to the most. */
const ASK_AGAIN_US = 20_000;
const MOST_US = 2_000_000;
/** A reader that has read nothing for so long may be gone; and after so long it will not be waited for. */
const DOUBT_US = 10_000;
const MOST_DOUBT_US = 1_000_000;
const STUCK_US = 100_000;

export class ShmPeer {
  readonly src: Uint8Array;
  /** Index of the own address that the two talk by. */
  readonly local: number;
  reader: RingReader | null = null;
  /** The ring that datagrams go through, once the peer reads it and all that went another way is on that. */
  writer: RingWriter | null = null;
  /** It has not seen what was published, because it sleeps. */
  asleep = false;
  /** Something was committed that has not been published. */
  dirty = false;
  /** Nothing has been read from its ring yet: what it sent another way before comes first. And whether there is something in it. */
  fresh = false;
  begun = false;
  /** It has gone: its ring holds the last that it has said. */
  leaving = false;
  /** There are flows to it. */
  sentTo = false;
  /** It takes jumbos, in its ring. */
  jumbo = false;
  /** The peer has read nothing for long: what does not fit is lost. */
  stuck = false;
  private readonly post: Post;
  private readonly to: Addressee;
  /** A ring that the peer has been told of, and one that it reads. */
  private offered: RingWriter | null = null;
  private accepted: RingWriter | null = null;
  private token = -1;
  private askAt = 0;
  private patience = ASK_AGAIN_US;
  /** It is to be told that it shall wake. */
  private owed = false;
  private stuckSince = Number.POSITIVE_INFINITY;
  private doubtAt = 0;
  private doubt = DOUBT_US;

  constructor(post: Post, local: number, src: Uint8Array) {
    this.post = post;
    this.local = local;
    this.src = Uint8Array.from(src);
    this.to = post.to(src);
  }

  /** Offers the peer a ring, if it is there and it is time to. */
  ask(now: number): void {
    if (now < this.askAt || this.accepted !== null) return;
    this.askAt = now + this.patience;
    this.patience = Math.min(MOST_US, this.patience * 2);
    if (this.post.send(this.to, Say.KNOCK) !== 0) return;
    this.offered = this.offer() ?? this.offered;
  }

  /** Null without memory for a ring: there are still the sockets. */
  private offer(): RingWriter | null {
    let file: SharedFile | null = null;
    try {
      file = new SharedFile('infinitive-link', RING_BYTES);
      const writer = new RingWriter(file.map(0, RING_BYTES));
      return this.post.send(this.to, Say.OPEN, file.fd) === 0 ? writer : null;
    } catch {
      return null;
    } finally {
      file?.close();
    }
  }

  /** Is there a ring that it reads? */
  get reachable(): boolean {
    if (this.writer?.abandoned) this.forget();
    return this.writer !== null;
  }

  /** All that went another way has been handed to that: from now on datagrams may go through the ring. */
  settle(): void {
    this.writer = this.accepted;
  }

  /** Takes note of a letter; whether {@link settle} is to be called. */
  hear({ say, token, jumbo, fd }: Delivery): boolean {
    if (say === Say.ACCEPT && this.offered !== null) {
      this.accepted = this.offered;
      this.offered = null;
      this.token = token;
      this.jumbo = jumbo;
      this.patience = ASK_AGAIN_US;
      return true;
    }
    // Another life than that which reads our ring, and writes into its own.
    if (this.token !== -1 && token !== this.token) this.gone();
    switch (say) {
      case Say.OPEN:
        this.open(fd, token);
        this.soon();
        break;
      case Say.WAKE:
        if (this.reader === null) this.post.send(this.to, Say.UNKNOWN);
        break;
      case Say.UNKNOWN:
        this.forget();
        this.soon();
        break;
      case Say.BYE:
        this.gone();
        break;
    }
    return false;
  }

  /** The peer's ring. */
  private open(fd: number, token: number): void {
    const reader = readerOf(fd, this.post.jumbo);
    if (reader === null) return;
    this.reader?.close();
    this.reader = reader;
    this.fresh = true;
    this.begun = false;
    this.leaving = false;
    this.token = token;
    this.post.send(this.to, Say.ACCEPT);
  }

  /** Lets the peer see what was committed, if it is awake; else it is {@link asleep}. */
  publish(clock: () => number): void {
    const { writer } = this;
    this.dirty = false;
    if (writer === null) return;
    const state = writer.publish();
    if (state === Reader.ASLEEP) this.asleep = true;
    if (!writer.stuck) {
      this.stuckSince = Number.POSITIVE_INFINITY;
      this.stuck = false;
      return;
    }
    const now = clock();
    if (this.stuckSince === Number.POSITIVE_INFINITY) {
      this.stuckSince = now;
      this.doubt = DOUBT_US;
      this.doubtAt = now + DOUBT_US;
    }
    if (now >= this.doubtAt) {
      this.doubt = Math.min(MOST_DOUBT_US, 2 * this.doubt);
      this.doubtAt = now + this.doubt;
      this.nudge();
    }
    this.stuck = now - this.stuckSince >= STUCK_US;
  }

  /** Wakes it, if it sleeps; it stays {@link asleep} when that cannot be said to it now. */
  wake(): void {
    this.owed ||= this.writer?.rouse() ?? false;
    if (this.owed) this.owed = !this.nudge();
    this.asleep = this.owed;
  }

  close(): void {
    this.reader?.close();
    if (this.reader !== null || this.accepted !== null || this.offered !== null) this.post.send(this.to, Say.BYE);
  }

  private nudge(): boolean {
    const error = this.post.send(this.to, Say.WAKE);
    if (error === ECONNREFUSED) this.gone();
    return error === 0 || error === ECONNREFUSED;
  }

  private gone(): void {
    this.forget();
    this.leaving = true;
  }

  /** What is in the ring is lost, as datagrams may be. */
  private forget(): void {
    this.writer = null;
    this.accepted = null;
    this.offered = null;
    this.token = -1;
    this.asleep = false;
    this.owed = false;
    this.stuck = false;
    this.stuckSince = Number.POSITIVE_INFINITY;
  }

  private soon(): void {
    this.askAt = 0;
    this.patience = ASK_AGAIN_US;
  }
}

/** Null when there is none: the descriptor is of something else, or there is no memory. */
function readerOf(fd: number, jumbo: boolean): RingReader | null {
  const memory = mapSealed(fd, RING_BYTES);
  return memory === null ? null : new RingReader(memory, jumbo);
}
