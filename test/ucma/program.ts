// Programs that open rdma_cm: their memory is an ArrayBuffer, their descriptors are numbers.

import { VerbsError } from '../../src/core/errors.ts';
import { LocalMemory } from '../../src/core/memory.ts';
import { writeSockaddr } from '../../src/os/sockaddr.ts';
import type { Deferred, UcmaCaller } from '../../src/ucma/caller.ts';
import { UcmaDevice, type UcmaDeviceOptions } from '../../src/ucma/device.ts';
import type { UcmaFile } from '../../src/ucma/file.ts';
import { Command, QueryOption } from '../../src/ucma/ids.ts';
import * as L from '../../src/ucma/layout.ts';
import type { Fabric } from '../cm/cm-node.ts';
import { RdmaHost } from '../cm/rdma-node.ts';
import { scatter } from '../helpers/scatter.ts';
import { poll } from './readable.ts';

export class UcmaHost extends RdmaHost {
  readonly ucma: UcmaDevice;
  readonly unexpected: unknown[] = [];

  constructor(fabric: Fabric, address: string, options: Partial<UcmaDeviceOptions> = {}) {
    super(fabric, address);
    const onError = (error: unknown): void => {
      if (!(error instanceof VerbsError)) this.unexpected.push(error);
    };
    this.ucma = new UcmaDevice({ cm: this.rdma, onError, ...options });
  }

  open(): Program {
    return new Program(this.ucma.open({ pid: 4711, command: 'test', netRaw: false }));
  }
}

const REQUEST_AT = 0x1000;
const RESPONSE_AT = 0x2000;
const VALUE_AT = 0x4000;

export interface Event {
  readonly uid: bigint;
  readonly id: number;
  readonly event: number;
  readonly status: number;
  /** `param` of the record. */
  readonly param: Buffer;
}

export class Program implements UcmaCaller {
  readonly pid = 4711;
  readonly netRaw = false;
  netBindService = false;
  nonBlocking = true;
  readonly bytes = Buffer.from(new ArrayBuffer(1 << 16));
  readonly memory = new LocalMemory(this.bytes);
  readonly file: UcmaFile;
  /** What its descriptors are. */
  readonly descriptors = new Map<number, string>();
  /** Results of calls that were answered later. */
  readonly answered: number[] = [];
  /** Calls that wait are given up: it was killed. */
  killed = false;

  constructor(file: UcmaFile) {
    this.file = file;
    this.descriptors.set(3, file.description);
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

  installFd(): number {
    throw new Error('rdma_cm gives no descriptors');
  }

  describeFd(fd: number): string | null {
    return this.descriptors.get(fd) ?? null;
  }

  defer(): Deferred {
    const program = this;
    return {
      get waiting() {
        return !program.killed;
      },
      answer: (result) => void program.answered.push(result),
    };
  }

  /** Is the file readable? */
  get readable(): boolean {
    return poll(this.file.fd);
  }

  /** write(2) of these bytes: a length, a negated errno, or null when it waits. */
  writeBytes(bytes: Buffer): number | null {
    bytes.copy(this.bytes, REQUEST_AT);
    return this.file.write(this, REQUEST_AT, bytes.length);
  }

  /** A command whose request is made by `fill`, with room for `out` bytes of answer: its result. */
  call(command: number, size: number, out: number, fill: (request: Buffer) => void): number | null {
    const bytes = Buffer.alloc(L.CmdHdr.size + size);
    bytes.writeUInt32LE(command, L.CmdHdr.cmd);
    bytes.writeUInt16LE(size, L.CmdHdr.in);
    bytes.writeUInt16LE(out, L.CmdHdr.out);
    fill(bytes.subarray(L.CmdHdr.size));
    this.bytes.fill(0xee, RESPONSE_AT, VALUE_AT);
    const result = this.writeBytes(bytes);
    return result === bytes.length ? 0 : result;
  }

  response(length: number): Buffer {
    return Buffer.from(this.bytes.subarray(RESPONSE_AT, RESPONSE_AT + length));
  }

  // Commands; they return 0 or a negated errno, or what they are asked for

  createId(uid: bigint, ps = 0x106, response = RESPONSE_AT): number {
    const result = this.call(Command.CREATE_ID, L.CreateId.size, 4, (r) => {
      r.writeBigUInt64LE(uid, L.CreateId.uid);
      r.writeBigUInt64LE(BigInt(response), L.CreateId.response);
      r.writeUInt16LE(ps, L.CreateId.ps);
      r[L.CreateId.qpType] = ps === 0x106 || ps === 0x13f ? 2 : 4;
    });
    return result === 0 ? this.response(4).readUInt32LE(0) : result!;
  }

  destroyId(id: number): number {
    const result = this.call(Command.DESTROY_ID, L.DestroyId.size, 4, (r) => {
      r.writeBigUInt64LE(BigInt(RESPONSE_AT), L.DestroyId.response);
      r.writeUInt32LE(id, L.DestroyId.id);
    });
    return result === 0 ? this.response(4).readUInt32LE(0) : result!;
  }

  bind(id: number, address: Uint8Array, port: number): number | null {
    return this.call(Command.BIND, L.Bind.size, 0, (r) => {
      r.writeUInt32LE(id, L.Bind.id);
      r.writeUInt16LE(writeSockaddr(r, L.Bind.addr, address, port, 0), L.Bind.addrSize);
    });
  }

  resolveAddr(id: number, address: Uint8Array, port: number): number | null {
    return this.call(Command.RESOLVE_ADDR, L.ResolveAddr.size, 0, (r) => {
      r.writeUInt32LE(id, L.ResolveAddr.id);
      r.writeUInt16LE(writeSockaddr(r, L.ResolveAddr.dstAddr, address, port, 0), L.ResolveAddr.dstSize);
    });
  }

  /** RESOLVE_ROUTE, DISCONNECT: commands that name an id first, and perhaps a number. */
  simple(command: number, size: number, id: number, number = 0): number | null {
    return this.call(command, size, 0, (r) => {
      r.writeUInt32LE(id, 0);
      if (size > 4) r.writeUInt32LE(number, 4);
    });
  }

  connect(id: number, qpn: number, privateData: Buffer): number | null {
    return this.call(Command.CONNECT, L.Connect.size, 0, (r) => {
      this.param(r, L.Connect.connParam, qpn, privateData);
      r.writeUInt32LE(id, L.Connect.id);
    });
  }

  accept(id: number, uid: bigint, qpn: number, privateData: Buffer): number | null {
    return this.call(Command.ACCEPT, L.Accept.size, 0, (r) => {
      r.writeBigUInt64LE(uid, L.Accept.uid);
      this.param(r, L.Accept.connParam, qpn, privateData);
      r.writeUInt32LE(id, L.Accept.id);
    });
  }

  /** ACCEPT without parameters. */
  establish(id: number): number | null {
    return this.call(Command.ACCEPT, L.Accept.size, 0, (r) => void r.writeUInt32LE(id, L.Accept.id));
  }

  query(id: number, option: number, room: number): Buffer | number {
    const result = this.call(Command.QUERY, L.Query.size, room, (r) => {
      r.writeBigUInt64LE(BigInt(RESPONSE_AT), L.Query.response);
      r.writeUInt32LE(id, L.Query.id);
      r.writeUInt32LE(option, L.Query.option);
    });
    return result === 0 ? this.response(room) : result!;
  }

  queryAddr(id: number): Buffer {
    return this.query(id, QueryOption.ADDR, L.QueryAddrResp.size) as Buffer;
  }

  initQpAttr(id: number, state: number): Buffer | number {
    const result = this.call(Command.INIT_QP_ATTR, L.InitQpAttr.size, L.QpAttr.size, (r) => {
      r.writeBigUInt64LE(BigInt(RESPONSE_AT), L.InitQpAttr.response);
      r.writeUInt32LE(id, L.InitQpAttr.id);
      r.writeUInt32LE(state, L.InitQpAttr.qpState);
    });
    return result === 0 ? this.response(L.QpAttr.size) : result!;
  }

  migrate(id: number, fd: number): number {
    const result = this.call(Command.MIGRATE_ID, L.MigrateId.size, 4, (r) => {
      r.writeBigUInt64LE(BigInt(RESPONSE_AT), L.MigrateId.response);
      r.writeUInt32LE(id, L.MigrateId.id);
      r.writeInt32LE(fd, L.MigrateId.fd);
    });
    return result === 0 ? this.response(4).readUInt32LE(0) : result!;
  }

  setOption(id: number, level: number, name: number, value: Buffer): number | null {
    value.copy(this.bytes, VALUE_AT);
    return this.call(Command.SET_OPTION, L.SetOption.size, 0, (r) => {
      r.writeBigUInt64LE(BigInt(VALUE_AT), L.SetOption.optval);
      r.writeUInt32LE(id, L.SetOption.id);
      r.writeUInt32LE(level, L.SetOption.level);
      r.writeUInt32LE(name, L.SetOption.optname);
      r.writeUInt32LE(value.length, L.SetOption.optlen);
    });
  }

  join(id: number, uid: bigint, address: Uint8Array, flags = 0): number {
    const result = this.call(Command.JOIN_MCAST, L.JoinMcast.size, 4, (r) => {
      r.writeBigUInt64LE(BigInt(RESPONSE_AT), L.JoinMcast.response);
      r.writeBigUInt64LE(uid, L.JoinMcast.uid);
      r.writeUInt32LE(id, L.JoinMcast.id);
      r.writeUInt16LE(writeSockaddr(r, L.JoinMcast.addr, address, 0, 0), L.JoinMcast.addrSize);
      r.writeUInt16LE(flags, L.JoinMcast.joinFlags);
    });
    return result === 0 ? this.response(4).readUInt32LE(0) : result!;
  }

  leave(number: number): number {
    const result = this.call(Command.LEAVE_MCAST, L.DestroyId.size, 4, (r) => {
      r.writeBigUInt64LE(BigInt(RESPONSE_AT), L.DestroyId.response);
      r.writeUInt32LE(number, L.DestroyId.id);
    });
    return result === 0 ? this.response(4).readUInt32LE(0) : result!;
  }

  askForEvent(response = RESPONSE_AT): number | null {
    return this.call(Command.GET_EVENT, L.GetEvent.size, L.EventResp.size, (r) => {
      r.writeBigUInt64LE(BigInt(response), L.GetEvent.response);
    });
  }

  /** The next event; a negated errno when there is none. */
  event(): Event | number {
    const result = this.askForEvent();
    return result === 0 ? this.eventThere() : result!;
  }

  /** The event that the last GET_EVENT was given. */
  eventThere(): Event {
    const bytes = this.response(L.EventResp.size);
    return {
      uid: bytes.readBigUInt64LE(L.EventResp.uid),
      id: bytes.readUInt32LE(L.EventResp.id),
      event: bytes.readUInt32LE(L.EventResp.event),
      status: bytes.readInt32LE(L.EventResp.status),
      param: bytes.subarray(L.EventResp.param),
    };
  }

  private param(request: Buffer, at: number, qpn: number, privateData: Buffer): void {
    request.writeUInt32LE(qpn, at + L.ConnParam.qpNum);
    privateData.copy(request, at + L.ConnParam.privateData);
    request[at + L.ConnParam.privateDataLen] = privateData.length;
    request[at + L.ConnParam.responderResources] = 4;
    request[at + L.ConnParam.initiatorDepth] = 3;
    request[at + L.ConnParam.retryCount] = 7;
    request[at + L.ConnParam.rnrRetryCount] = 6;
    request[at + L.ConnParam.valid] = 1;
  }
}
