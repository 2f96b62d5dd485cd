// What leaves an endpoint, in a slot that is free again when it has arrived.
import type { Sge } from '../../core/work.ts';
import { type Outgoing, SEND } from './connection.ts';
import { ACTIVE, DONE, EAGER, putActive, putDone, putEager, putReady, READY, type Remote } from './protocol.ts';
import type { Request, Span } from './request.ts';
import type { Slots } from './slots.ts';

export abstract class Parcel implements Outgoing {
  readonly opcode = SEND;
  readonly remoteAddr = 0;
  readonly rkey = 0;
  sge!: Sge;
  private slots: Slots | null = null;
  private slot = -1;

  /** Writes itself there: how many bytes it is, or -1 when its memory is gone. */
  protected abstract write(buf: Buffer, at: number): number;

  /** It has arrived, or not. */
  protected ended(_ok: boolean): void {}

  /** Writes itself where it is to leave from; false when there is nothing to write. */
  leaveFrom(slots: Slots, slot: number): boolean {
    this.slots = slots;
    this.slot = slot;
    const length = this.write(slots.bytes, slots.at(slot));
    if (length < 0) return false;
    this.sge = slots.sge(slot, length);
    return true;
  }

  completed(ok: boolean): void {
    if (this.slots !== null) this.slots.give(this.slot);
    this.slots = null;
    this.ended(ok);
  }
}

/** A message that is sent whole. */
export class EagerParcel extends Parcel {
  private readonly request: Request;
  private readonly span: Span;

  constructor(request: Request, span: Span) {
    super();
    this.request = request;
    this.span = span;
  }

  protected override write(buf: Buffer, at: number): number {
    const { mr, offset, length } = this.span;
    putEager(buf, at, this.request.tag);
    return mr.memory.read(offset, buf, at + EAGER, length) ? EAGER + length : -1;
  }

  protected override ended(ok: boolean): void {
    this.request.finish(ok ? 'ok' : 'failed');
  }
}

/** The news that a message may be read. */
export class ReadyParcel extends Parcel {
  private readonly request: Request;
  private readonly remote: Remote;
  private readonly ready: Map<number, Request>;

  /** `ready`: those that have not been read yet, of which it is one. */
  constructor(request: Request, remote: Remote, ready: Map<number, Request>) {
    super();
    this.request = request;
    this.remote = remote;
    this.ready = ready;
  }

  protected override write(buf: Buffer, at: number): number {
    const { tag, length } = this.request;
    putReady(buf, at, tag, length, this.remote);
    return READY;
  }

  protected override ended(ok: boolean): void {
    if (ok) return;
    this.ready.delete(this.remote.id);
    this.request.finish('failed');
  }
}

/** The news that it has been. */
export class DoneParcel extends Parcel {
  private readonly id: number;

  constructor(id: number) {
    super();
    this.id = id;
  }

  protected override write(buf: Buffer, at: number): number {
    putDone(buf, at, this.id);
    return DONE;
  }
}

/** An active message: its arguments, and data. */
export class ActiveParcel extends Parcel {
  private readonly handler: number;
  private readonly args: readonly bigint[];
  private readonly data: Uint8Array;
  private readonly tell: (ok: boolean) => void;

  constructor(handler: number, args: readonly bigint[], data: Uint8Array, tell: (ok: boolean) => void) {
    super();
    this.handler = handler;
    this.args = args;
    this.data = data;
    this.tell = tell;
  }

  protected override write(buf: Buffer, at: number): number {
    const { args, data } = this;
    putActive(buf, at, this.handler, args.length);
    let end = at + ACTIVE;
    for (const arg of args) end = buf.writeBigUInt64BE(BigInt.asUintN(64, arg), end);
    buf.set(data, end);
    return end + data.length - at;
  }

  protected override ended(ok: boolean): void {
    this.tell(ok);
  }
}
