// What leaves an endpoint: a header, and what follows it, in a slot that is free again when it has arrived.
import type { Sge } from '../../core/work.ts';
import { type Outgoing, SEND } from './connection.ts';
import type { Header } from './protocol.ts';
import type { Request, Span } from './request.ts';
import type { Slots } from './slots.ts';

/** A header alone, of whose leaving nobody need know. */
export class Parcel implements Outgoing {
  readonly opcode = SEND;
  readonly remoteAddr = 0;
  readonly rkey = 0;
  sge!: Sge;
  readonly header: Header;
  /** Bytes behind the header. */
  readonly length: number;
  private slots: Slots | null = null;
  private slot = -1;

  constructor(header: Header, length = 0) {
    this.header = header;
    this.length = length;
  }

  /** Where it leaves from, `size` bytes. */
  leaveFrom(slots: Slots, slot: number, size: number): void {
    this.slots = slots;
    this.slot = slot;
    this.sge = slots.sge(slot, size);
  }

  /** Puts what follows the header there. */
  write(_buf: Buffer, _at: number): boolean {
    return true;
  }

  /** It has arrived, or not. */
  protected ended(_ok: boolean): void {}

  completed(ok: boolean): void {
    if (this.slots !== null) this.slots.give(this.slot);
    this.slots = null;
    this.ended(ok);
  }
}

/** A message that is sent whole. */
export class EagerParcel extends Parcel {
  private readonly span: Span;
  private readonly request: Request;

  constructor(header: Header, span: Span, request: Request) {
    super(header, span.length);
    this.span = span;
    this.request = request;
  }

  override write(buf: Buffer, at: number): boolean {
    const { mr, offset, length } = this.span;
    return mr.memory.read(offset, buf, at, length);
  }

  protected override ended(ok: boolean): void {
    this.request.finish(ok ? 'ok' : 'failed');
  }
}

/** An active message: its arguments, and data. */
export class ActiveParcel extends Parcel {
  private readonly args: readonly bigint[];
  private readonly data: Uint8Array;
  private readonly tell: (ok: boolean) => void;

  constructor(header: Header, args: readonly bigint[], data: Uint8Array, tell: (ok: boolean) => void) {
    super(header, 8 * args.length + data.length);
    this.args = args;
    this.data = data;
    this.tell = tell;
  }

  override write(buf: Buffer, at: number): boolean {
    for (const [i, arg] of this.args.entries()) buf.writeBigUInt64BE(BigInt.asUintN(64, arg), at + 8 * i);
    buf.set(this.data, at + 8 * this.args.length);
    return true;
  }

  protected override ended(ok: boolean): void {
    this.tell(ok);
  }
}
