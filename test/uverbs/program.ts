// A program that opens a uverbs device: its memory is an ArrayBuffer, its descriptors are this process's own.

import { closeSync, openSync, readlinkSync, readSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { VerbsError } from '../../src/core/errors.ts';
import { LocalMemory } from '../../src/core/memory.ts';
import { Rxe } from '../../src/drivers/rxe/driver.ts';
import { rxeUserAbi } from '../../src/drivers/rxe/user-abi.ts';
import { LoopbackLink } from '../../src/link/loopback.ts';
import { mapShared } from '../../src/os/mmap.ts';
import type { Caller } from '../../src/uverbs/caller.ts';
import { UverbsDevice, type UverbsDeviceOptions } from '../../src/uverbs/device.ts';
import type { UverbsFile } from '../../src/uverbs/file.ts';
import { scatter } from '../helpers/scatter.ts';

const HEAP_AT = 1 << 20;
const O_NONBLOCK = 0o4000;

export class Host {
  readonly rxe: Rxe;
  readonly uverbs: UverbsDevice;
  readonly unexpected: unknown[] = [];
  now = 0;

  constructor(t: TestContext, options: Partial<UverbsDeviceOptions> = {}) {
    const link = new LoopbackLink({ addresses: ['127.0.0.1'], netdev: 'lo' });
    this.rxe = new Rxe({ link, clock: () => this.now });
    const onError = (error: unknown): void => {
      if (!(error instanceof VerbsError)) this.unexpected.push(error);
    };
    this.uverbs = new UverbsDevice({ device: this.rxe.device, abi: rxeUserAbi(this.rxe), onError, ...options });
    t.after(() => this.close());
  }

  close(): void {
    for (const file of this.uverbs.files.values()) file.close();
    if (this.rxe.device.registered) this.rxe.close();
  }

  open(t: TestContext): Program {
    const program = new Program(this.uverbs.open({ pid: 4711, command: 'test', netRaw: false }));
    t.after(() => program.exit());
    return program;
  }

  /** Lets the device work until nothing is left to do. */
  run(): void {
    let quiet = 0;
    for (let n = 0; n < 10_000; n++) {
      let rung = 0;
      for (const file of this.uverbs.files.values()) rung += file.takeDoorbells();
      this.now += 10;
      const received = this.rxe.engine.progress();
      this.uverbs.turn();
      // What is flushed in one round arrives in the next.
      quiet = rung === 0 && received === 0 && this.rxe.engine.idle ? quiet + 1 : 0;
      if (quiet === 3) return;
    }
    throw new Error('the device does not come to rest');
  }
}

export interface Answer {
  readonly errno: number;
  readonly out: Buffer;
  /** The driver's answer. */
  readonly driver: Buffer;
}

/** An attribute as a program gives it; outputs are found in `data` after the call. */
export interface GivenAttr {
  readonly id: number;
  /** Input bytes. */
  readonly in?: Buffer;
  /** Room for output. */
  readonly out?: number;
  /** Handle or descriptor. */
  readonly ref?: number;
  readonly flags?: number;
  readonly reserved?: number;
}

export interface MethodAnswer {
  readonly errno: number;
  /** Outputs by attribute, and references as they are after the call. */
  readonly out: Map<number, Buffer>;
  readonly ref: Map<number, number>;
  readonly flags: Map<number, number>;
}

export class Program implements Caller {
  readonly pid = 4711;
  readonly netRaw = false;
  readonly bytes: Buffer;
  readonly memory: LocalMemory;
  readonly file: UverbsFile;
  readonly fds: number[] = [];
  withFile?: Caller['withFile'];
  private heap = HEAP_AT;

  constructor(file: UverbsFile, size = 4 << 20) {
    this.file = file;
    this.bytes = Buffer.from(new ArrayBuffer(size));
    this.memory = new LocalMemory(this.bytes);
  }

  read(address: number, dst: Buffer, at: number, length: number): boolean {
    return address >= 4096 && this.memory.read(address, dst, at, length);
  }

  write(address: number, src: Buffer, at: number, length: number): boolean {
    return address >= 4096 && this.memory.write(address, src, at, length);
  }

  scatter(src: Buffer, addresses: readonly number[], lengths: readonly number[]): boolean {
    return scatter((...copy) => this.write(...copy), src, addresses, lengths);
  }

  installFd(fd: number): number {
    const own = openSync(`/proc/self/fd/${fd}`, O_NONBLOCK);
    this.fds.push(own);
    return own;
  }

  describeFd(fd: number): string | null {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return null;
    }
  }

  closeFd(fd: number): void {
    this.fds.splice(this.fds.indexOf(fd), 1);
    closeSync(fd);
  }

  exit(): void {
    this.file.close();
    while (this.fds.length > 0) closeSync(this.fds.pop()!);
  }

  /** Memory that nothing else has. */
  alloc(size: number): number {
    const address = this.heap;
    this.heap += (size + 63) & ~63;
    if (this.heap > this.bytes.length) this.heap = HEAP_AT;
    return this.heap > address ? address : this.alloc(size);
  }

  at(address: number, length: number): Buffer {
    return this.bytes.subarray(address, address + length);
  }

  /** A call whose header and attributes are these bytes. */
  raw(call: Buffer): number {
    const address = this.alloc(call.length);
    call.copy(this.bytes, address);
    return this.file.ioctl(this, address);
  }

  method(object: number, method: number, attrs: readonly GivenAttr[], driverId = 14): MethodAnswer {
    const call = header(object, method, attrs.length, driverId);
    const places = attrs.map((attr, i) => this.encode(call, 24 + i * 16, attr));
    const address = this.alloc(call.length);
    call.copy(this.bytes, address);
    const errno = this.file.ioctl(this, address);
    const answer: MethodAnswer = { errno, out: new Map(), ref: new Map(), flags: new Map() };
    attrs.forEach((attr, i) => {
      const at = address + 24 + i * 16;
      answer.flags.set(attr.id, this.bytes.readUInt16LE(at + 4));
      if (attr.out !== undefined) answer.out.set(attr.id, Buffer.from(this.at(places[i], attr.out)));
      if (attr.ref !== undefined) answer.ref.set(attr.id, this.bytes.readUInt32LE(at + 8));
    });
    return answer;
  }

  /** A write command through INVOKE_WRITE; `out` and `driver` are what there is room for. */
  invoke(command: number, request: Buffer | null, out = 0, driver = 0, driverIn: Buffer | null = null): Answer {
    const attrs: GivenAttr[] = [{ id: 2, in: u64(command), flags: 1 }];
    if (request !== null) attrs.push({ id: 0, in: request, flags: 1 });
    if (out > 0) attrs.push({ id: 1, out, flags: 1 });
    if (driverIn !== null) attrs.push({ id: 0x1000, in: driverIn, flags: 1 });
    if (driver > 0) attrs.push({ id: 0x1001, out: driver, flags: 1 });
    const answer = this.method(0, 0, attrs);
    const none = Buffer.alloc(0);
    return { errno: answer.errno, out: answer.out.get(1) ?? none, driver: answer.out.get(0x1001) ?? none };
  }

  /** As {@link invoke}; throws when it fails. */
  ok(command: number, request: Buffer, out = 0, driver = 0, driverIn: Buffer | null = null): Answer {
    const answer = this.invoke(command, request, out, driver, driverIn);
    if (answer.errno !== 0) throw new Error(`command ${command}: errno ${answer.errno}`);
    return answer;
  }

  /** Maps a queue that the driver's answer names at `at` (struct mminfo). */
  map(driver: Buffer, at: number): Queue {
    return new Queue(mapShared(this.file.fd, Number(driver.readBigUInt64LE(at)), driver.readUInt32LE(at + 8)));
  }

  /** What is in the pipe behind a descriptor now. */
  drain(fd: number): Buffer {
    const into = Buffer.alloc(65536);
    try {
      return into.subarray(0, readSync(fd, into, 0, into.length, null));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return Buffer.alloc(0);
      throw error;
    }
  }

  private encode(call: Buffer, at: number, attr: GivenAttr): number {
    call.writeUInt16LE(attr.id, at);
    call.writeUInt16LE(attr.flags ?? 0, at + 4);
    call.writeUInt16LE(attr.reserved ?? 0, at + 6);
    if (attr.in !== undefined) {
      call.writeUInt16LE(attr.in.length, at + 2);
      if (attr.in.length <= 8) {
        attr.in.copy(call, at + 8);
        return 0;
      }
      const address = this.alloc(attr.in.length);
      attr.in.copy(this.bytes, address);
      call.writeBigUInt64LE(BigInt(address), at + 8);
      return address;
    }
    if (attr.out !== undefined) {
      const address = this.alloc(attr.out);
      this.at(address, attr.out).fill(0xee);
      call.writeUInt16LE(attr.out, at + 2);
      call.writeBigUInt64LE(BigInt(address), at + 8);
      return address;
    }
    call.writeBigInt64LE(BigInt(attr.ref ?? 0), at + 8);
    return 0;
  }
}

export function header(object: number, method: number, attrs: number, driverId = 14): Buffer {
  const call = Buffer.alloc(24 + attrs * 16);
  call.writeUInt16LE(call.length, 0);
  call.writeUInt16LE(object, 2);
  call.writeUInt16LE(method, 4);
  call.writeUInt16LE(attrs, 6);
  call.writeUInt32LE(driverId, 16);
  return call;
}

export function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

export function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => {
    bytes.writeUInt32LE(value >>> 0, 4 * i);
  });
  return bytes;
}

/** A ring as the program has it mapped: struct rxe_queue_buf. */
export class Queue {
  readonly bytes: Buffer;
  readonly words: Int32Array;
  readonly log2: number;
  readonly mask: number;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.words = new Int32Array(bytes.buffer, 0, bytes.length >> 2);
    this.log2 = this.words[0];
    this.mask = this.words[1];
  }

  /** The element that is written next. */
  get slot(): number {
    return 384 + (this.words[32] << this.log2);
  }

  post(): void {
    Atomics.store(this.words, 32, (this.words[32] + 1) & this.mask);
  }

  /** The oldest element not taken, or null. */
  take(): Buffer | null {
    const index = this.words[64];
    if (index === Atomics.load(this.words, 32)) return null;
    const at = 384 + (index << this.log2);
    const element = Buffer.from(this.bytes.subarray(at, at + (1 << this.log2)));
    Atomics.store(this.words, 64, (index + 1) & this.mask);
    return element;
  }
}
