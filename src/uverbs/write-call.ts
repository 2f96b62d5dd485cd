// A command of the older interface, invoked through INVOKE_WRITE: a request structure in, an answer structure out.
import type { Attributes } from './attributes.ts';
import type { Caller } from './caller.ts';
import { refuse } from './errno.ts';
import type { UverbsFile } from './file.ts';

export const CORE_IN = 0;
export const CORE_OUT = 1;
export const WRITE_CMD = 2;

export class WriteCall {
  readonly file: UverbsFile;
  readonly caller: Caller;
  /** For what the driver is told and tells. */
  readonly driver: Attributes;
  /** The request, with zeros for what the program left out. */
  readonly request: Buffer;
  /** Room for the answer. */
  readonly room: number;

  constructor(attrs: Attributes, size: number) {
    this.file = attrs.file;
    this.caller = attrs.caller;
    this.driver = attrs;
    this.request = padded(attrs.bytes(CORE_IN), size);
    this.room = attrs.roomOf(CORE_OUT);
  }

  u8(at: number): number {
    return this.request[at];
  }

  u16(at: number): number {
    return this.request.readUInt16LE(at);
  }

  u32(at: number): number {
    return this.request.readUInt32LE(at);
  }

  /** See {@link Attributes.u64}. */
  u64(at: number): number {
    return Number(this.request.readBigUInt64LE(at));
  }

  /** uverbs_response: as much as there is room for, and zeros behind it. */
  answer(bytes: Buffer): void {
    this.driver.putStruct(CORE_OUT, bytes);
  }

  /** `response_length` of an extended answer of `size` bytes: what of it the program gets. */
  responseLength(size: number): number {
    return Math.min(this.room, size);
  }
}

// uverbs_request: a program that says more than is understood is told so.
function padded(given: Buffer, size: number): Buffer {
  if (given.length > size && given.subarray(size).some((byte) => byte !== 0)) {
    refuse('EOPNOTSUPP', `the request says more than the ${size} bytes that are understood`);
  }
  if (given.length >= size) return given;
  const whole = Buffer.alloc(size);
  given.copy(whole);
  return whole;
}
