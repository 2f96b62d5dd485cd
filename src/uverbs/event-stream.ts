// Events on their way to a program: a pipe that it reads, and what does not fit into it yet.
//
// libibverbs' destroy verbs wait until the program has acknowledged as many events of the object as uverbs says it was given.
// Linux counts an event when the program reads it. A read of a pipe is not seen here; so when an object goes, what nobody has
// read is taken back out of the pipe, the object's own events are dropped, and what is left to count is what was read.
import { PipeWriter, Written } from '../os/pipe.ts';

/** What becomes of events that a program never reads: the newest are lost (Linux keeps them until memory ends). */
const MOST_WAITING = 65536;

/** The object that events are about, as its program knows it. */
export class EventOwner {
  /** Its user handle (`element`), in two halves. */
  readonly lo: number;
  readonly hi: number;
  /** Events given to the program, and not taken back. */
  completions = 0;
  asyncs = 0;

  constructor(lo: number, hi: number) {
    this.lo = lo;
    this.hi = hi;
  }
}

export type EventKind = 'completions' | 'asyncs';

export class EventStream {
  readonly pipe = new PipeWriter();
  private readonly kind: EventKind;
  private readonly size: number;
  /** Owners of the records in the pipe, oldest first; before them perhaps some of records that were read. */
  private owners: (EventOwner | null)[] = [];
  private trimAt = 512;
  private waiting: { readonly record: Buffer; readonly owner: EventOwner | null }[] = [];
  /** Nobody has the read end any more. */
  abandoned = false;

  /** Records of `size` bytes; `kind`: how they are counted. */
  constructor(kind: EventKind, size: number) {
    this.kind = kind;
    this.size = size;
  }

  /** False when the pipe has no room: {@link retry}. `record` is used again by its caller. */
  send(record: Buffer, owner: EventOwner | null): boolean {
    if (this.abandoned) return true;
    if (this.waiting.length === 0 && this.put(record, owner)) return true;
    if (this.waiting.length < MOST_WAITING) this.waiting.push({ record: Buffer.from(record), owner });
    return false;
  }

  /** Puts into the pipe what now fits; true while something waits. */
  retry(): boolean {
    let done = 0;
    while (done < this.waiting.length && this.put(this.waiting[done].record, this.waiting[done].owner)) done++;
    if (done > 0) this.waiting = this.waiting.slice(done);
    return this.waiting.length > 0;
  }

  /** Takes back the owner's events that the program has not read. */
  withdraw(owner: EventOwner): void {
    if (this.waiting.length > 0) this.waiting = this.waiting.filter((w) => w.owner !== owner);
    if (owner[this.kind] === 0 || this.pipe.unread === 0) return;
    const records = this.pipe.takeBack();
    const count = Math.floor(records.length / this.size);
    // A program that reads parts of records has read the one that it began.
    const begun = records.length % this.size;
    const owners = this.owners;
    this.owners = [];
    for (let i = 0; i < count; i++) {
      const its = owners[owners.length - count + i] ?? null;
      if (its !== null) its[this.kind]--;
      if (its !== owner) this.put(records.subarray(begun + i * this.size, begun + (i + 1) * this.size), its);
    }
    this.retry();
  }

  close(): void {
    this.abandoned = true;
    this.waiting = [];
    this.owners = [];
    this.pipe.close();
  }

  private put(record: Buffer, owner: EventOwner | null): boolean {
    const result = this.pipe.write(record);
    if (result === Written.FULL) return false;
    if (result === Written.NO_READER) {
      this.abandoned = true;
      this.waiting = [];
      return true;
    }
    if (owner !== null) owner[this.kind]++;
    this.owners.push(owner);
    if (this.owners.length >= this.trimAt) this.trim();
    return true;
  }

  private trim(): void {
    const unread = Math.ceil(this.pipe.unread / this.size);
    this.owners = unread === 0 ? [] : this.owners.slice(-unread);
    this.trimAt = Math.max(512, 2 * unread);
  }
}
