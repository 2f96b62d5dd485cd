// The attributes of one call, as uverbs_ioctl.c takes them in: each checked against what the method declares, and what the
// program points to copied once, so that what was checked is what is used.
import type { ObjectOf } from '../core/handles.ts';
import type { ObjectKind } from '../core/object.ts';
import type { Caller } from './caller.ts';
import { refuse } from './errno.ts';
import type { UverbsFile } from './file.ts';
import { AttrFlag, UHW_IN, UHW_OUT } from './ids.ts';
import { Attr } from './layout.ts';
import { type AttrSpec, FROM } from './spec.ts';

const MAX_U32 = 0xffffffff;
const TWO_32 = 2 ** 32;

/** What the driver is told and tells besides the common (`struct ib_udata`). */
export interface DriverData {
  readonly input: Buffer;
  /** Bytes that the program has room for. */
  readonly room: number;
  /** Writes as much of the answer as there is room for. */
  answer(bytes: Buffer): void;
}

interface Given {
  readonly spec: AttrSpec;
  /** Of the attribute in the program's memory. */
  readonly at: number;
  readonly flags: number;
  /** Input bytes; for references their 8 bytes. */
  readonly bytes: Buffer;
  /** Of an output: its place and room. */
  readonly address: number;
  readonly room: number;
}

const NOTHING: Buffer = Buffer.alloc(0);
/** For what is put together to be written at once. */
const SCRATCH = 4096;
const scratch = Buffer.from(new ArrayBuffer(SCRATCH));
const FLAGS_BYTES = 2;
/** For one number. */
const small = Buffer.from(new ArrayBuffer(8));

export class Attributes implements DriverData {
  readonly file: UverbsFile;
  readonly caller: Caller;
  private readonly given = new Map<number, Given>();

  constructor(file: UverbsFile, caller: Caller) {
    this.file = file;
    this.caller = caller;
  }

  /** uverbs_set_attr, uverbs_process_attr: takes in the attribute at `address` of the program, whose bytes are in `raw`. */
  add(spec: AttrSpec, address: number, raw: Buffer): void {
    if (this.given.has(spec.id)) refuse('EINVAL', `attribute ${spec.id} is given twice`);
    const len = raw.readUInt16LE(Attr.len);
    if (raw.readUInt16LE(Attr.attrData) !== 0) refuse('EINVAL', `attribute ${spec.id} has reserved bits set`);
    const outward = spec.from === FROM.OUT;
    if (len < spec.min || (len > spec.max && !spec.zeroTrailing)) {
      refuse('EINVAL', `attribute ${spec.id} has ${len} bytes; ${spec.min} to ${spec.max} are allowed`);
    }
    const data = addressAt(raw, Attr.data);
    let bytes: Buffer = NOTHING;
    if (spec.from === FROM.IN && len > 8) bytes = this.copyIn(data, len);
    else if (!outward) bytes = Buffer.from(raw.subarray(Attr.data, Attr.data + (spec.from === FROM.IN ? len : 8)));
    if (spec.from === FROM.IN && len > spec.max && bytes.subarray(spec.max).some((byte) => byte !== 0)) {
      refuse('EOPNOTSUPP', `attribute ${spec.id} says more than is understood`);
    }
    this.given.set(spec.id, {
      spec,
      at: address,
      flags: raw.readUInt16LE(Attr.flags),
      bytes,
      address: data,
      room: outward ? len : 0,
    });
  }

  has(id: number): boolean {
    return this.given.has(id);
  }

  bytes(id: number): Buffer {
    return this.given.get(id)?.bytes ?? NOTHING;
  }

  /** Room for an output; 0 when it is not asked for. */
  roomOf(id: number): number {
    return this.given.get(id)?.room ?? 0;
  }

  u32(id: number): number {
    return this.bytes(id).readUInt32LE(0);
  }

  /** 64 bits as a number: what is above 2^53 loses its last bits, and is above all that a check lets pass. */
  u64(id: number): number {
    return addressAt(this.bytes(id), 0);
  }

  /** uverbs_get_const: EINVAL above `most`. */
  constant(id: number, most: number): number {
    const value = this.u64(id);
    if (value > most) refuse('EINVAL', `attribute ${id} is ${value}; at most ${most} is allowed`);
    return value;
  }

  /** uverbs_get_flags32: 4 or 8 bytes; none given are none set. */
  flags(id: number, allowed: number): number {
    if (!this.has(id)) return 0;
    const bytes = this.bytes(id);
    if (bytes.length !== 4 && bytes.length !== 8) refuse('EINVAL', `flags of ${bytes.length} bytes`);
    const value = bytes.length === 4 ? bytes.readUInt32LE(0) : Number(bytes.readBigUInt64LE(0));
    if (value > MAX_U32 || (value & ~allowed) !== 0) refuse('EINVAL', `flags 0x${value.toString(16)} are not allowed`);
    return value;
  }

  /** The object behind a handle: ENOENT when there is none, EINVAL when it is of another kind. */
  object<K extends ObjectKind>(id: number, kind: K): ObjectOf[K] {
    const bytes = this.bytes(id);
    if (bytes.length === 0) refuse('ENOENT', `attribute ${id} is not given`);
    return this.file.lookup(kind, addressAt(bytes, 0));
  }

  /** A file descriptor. EBADF below 0. */
  fd(id: number): number {
    const fd = Number(this.bytes(id).readBigInt64LE(0));
    if (fd < 0 || fd > 0x7fffffff) refuse('EBADF', `descriptor ${fd}`);
    return fd;
  }

  /** uverbs_copy_to: as much as there is room for; nothing when it is not asked for. */
  put(id: number, bytes: Buffer): void {
    const given = this.given.get(id);
    if (given === undefined) return;
    const length = Math.min(given.room, bytes.length);
    if (length + FLAGS_BYTES > SCRATCH) {
      this.copyOut(given.address, bytes, length);
      this.markWritten(given);
      return;
    }
    // uverbs_set_output: that it is written is written beside it.
    bytes.copy(scratch, 0, 0, length);
    scratch.writeUInt16LE(given.flags | AttrFlag.VALID_OUTPUT, length);
    const places = [given.address, given.at + Attr.flags];
    if (!this.caller.scatter(scratch, places, [length, FLAGS_BYTES])) {
      refuse('EFAULT', `${length} bytes at 0x${given.address.toString(16)} cannot be written`);
    }
  }

  putU32(id: number, value: number): void {
    small.writeUInt32LE(value, 0);
    this.put(id, small.subarray(0, 4));
  }

  putU64(id: number, value: number): void {
    small.writeBigUInt64LE(BigInt(value), 0);
    this.put(id, small);
  }

  /** uverbs_copy_to_struct_or_zero: what the program has room for beyond the structure is zeroed. */
  putStruct(id: number, bytes: Buffer): void {
    const given = this.given.get(id);
    if (given === undefined) return;
    if (given.room > bytes.length) {
      this.copyOut(given.address + bytes.length, Buffer.alloc(given.room - bytes.length), given.room - bytes.length);
    }
    this.put(id, bytes);
  }

  /** Writes a new object's handle, or a new descriptor, into its attribute. */
  putReference(id: number, value: number): void {
    const given = this.given.get(id);
    if (given === undefined) return;
    small.writeBigUInt64LE(BigInt(value), 0);
    this.copyOut(given.at + Attr.data, small, 8);
  }

  // DriverData

  get input(): Buffer {
    return this.bytes(UHW_IN);
  }

  get room(): number {
    return this.roomOf(UHW_OUT);
  }

  answer(bytes: Buffer): void {
    this.put(UHW_OUT, bytes);
  }

  /** EFAULT unless the program can be written to there: for what cannot be undone once it is done. */
  copyOut(address: number, bytes: Buffer, length: number): void {
    if (length > 0 && !this.caller.write(address, bytes, 0, length)) {
      refuse('EFAULT', `${length} bytes at 0x${address.toString(16)} cannot be written`);
    }
  }

  private copyIn(address: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    if (!this.caller.read(address, bytes, 0, length)) {
      refuse('EFAULT', `${length} bytes at 0x${address.toString(16)} cannot be read`);
    }
    return bytes;
  }

  // uverbs_set_output
  private markWritten(given: Given): void {
    small.writeUInt16LE(given.flags | AttrFlag.VALID_OUTPUT, 0);
    this.copyOut(given.at + Attr.flags, small, FLAGS_BYTES);
  }
}

/** A pointer; of one beyond 2^53 no more than that it is beyond all memory. */
export function addressAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * TWO_32;
}
