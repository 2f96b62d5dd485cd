// One command: its request, and where its answer goes.
import type { RdmaCmId } from '../cm/rdma/id.ts';
import { refuse } from '../uverbs/errno.ts';
import type { UcmaCaller } from './caller.ts';
import type { UcmaContext, Uid } from './context.ts';
import type { UcmaFile } from './file.ts';

const TWO_32 = 2 ** 32;

export class UcmaCall {
  readonly file: UcmaFile;
  readonly caller: UcmaCaller;
  /** Zeros where the program's was shorter. */
  readonly request: Buffer;
  /** Bytes that the program has room for. */
  readonly room: number;

  constructor(file: UcmaFile, caller: UcmaCaller, request: Buffer, room: number) {
    this.file = file;
    this.caller = caller;
    this.request = request;
    this.room = room;
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

  /** An address of the program. */
  pointer(at: number): number {
    return this.u32(at) + this.u32(at + 4) * TWO_32;
  }

  uid(at: number): Uid {
    return { lo: this.u32(at), hi: this.u32(at + 4) };
  }

  context(at: number): UcmaContext {
    return this.file.device.find(this.u32(at), this.file);
  }

  id(at: number): RdmaCmId {
    return this.context(at).cmId!;
  }

  /** Writes the answer to where the pointer at `at` of the request says, as much of it as there is room for; EFAULT. */
  answer(at: number, response: Buffer): void {
    const length = Math.min(this.room, response.length);
    if (!this.caller.write(this.pointer(at), response, 0, length)) refuse('EFAULT', 'no room for the answer');
  }

  /** The same, of a structure with one word. */
  answerWord(at: number, word: number): void {
    const response = Buffer.alloc(4);
    response.writeUInt32LE(word, 0);
    this.answer(at, response);
  }
}

export interface Command {
  readonly id: number;
  /** Bytes of the request: as few as there may be, and all that are known. */
  readonly min: number;
  readonly size: number;
  /** Room that the answer needs at least. */
  readonly room: number;
  readonly run: (call: UcmaCall) => void;
}

/** A command whose request is of one size; `room`: of its answer. */
export function command(id: number, size: number, room: number, run: (call: UcmaCall) => void): Command {
  return { id, min: size, size, room, run };
}
