// Programs of two hosts that speak rdma_user_cm.h as librdmacm does.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CmEventType as E } from '../../src/cm/rdma/events.ts';
import { QpAttrMask as A, QpState } from '../../src/core/constants.ts';
import { gidFromAddress } from '../../src/core/gid-text.ts';
import { Command, IdOption, OptionLevel, QueryOption } from '../../src/ucma/ids.ts';
import * as L from '../../src/ucma/layout.ts';
import { Fabric } from '../cm/cm-node.ts';
import { type Event, type Program, UcmaHost } from './program.ts';

const MS = 1000;
const ENOENT = -2;
const EAGAIN = -11;
const EACCES = -13;
const EFAULT = -14;
const EINVAL = -22;
const ENOSPC = -28;
const ENOSYS = -38;
const EADDRINUSE = -98;
const EADDRNOTAVAIL = -99;
const ENOMEM = -12;
const ANY = new Uint8Array(4);
const data = (text: string): Buffer => Buffer.from(text);

function hosts(t: TestContext): { f: Fabric; a: UcmaHost; b: UcmaHost } {
  const f = new Fabric();
  const a = new UcmaHost(f, '10.1.0.1');
  const b = new UcmaHost(f, '10.1.0.2');
  t.after(() => {
    assert.deepEqual([...a.unexpected, ...b.unexpected], []);
    a.close();
    b.close();
    f.close();
  });
  return { f, a, b };
}

function next(p: Program, event: number): Event {
  const got = p.event();
  assert.ok(typeof got !== 'number', `errno ${got} instead of event ${event}`);
  assert.equal(got.event, event);
  return got;
}

const privateOf = ({ param }: Event): string =>
  param.toString('latin1', L.ConnParam.privateData, L.ConnParam.privateData + param[L.ConnParam.privateDataLen]);

/** A listener of the host, and a program of another host with the way to it. */
function prepared(f: Fabric, a: UcmaHost, b: UcmaHost): { pa: Program; pb: Program; listener: number; id: number } {
  const pb = b.open();
  const listener = pb.createId(0xb0n);
  assert.equal(pb.bind(listener, ANY, 7471), 0);
  assert.equal(pb.simple(Command.LISTEN, L.Listen.size, listener, 4), 0);
  const pa = a.open();
  const id = pa.createId(0xa0n);
  assert.equal(pa.resolveAddr(id, b.address, 7471), 0);
  next(pa, E.ADDR_RESOLVED);
  assert.equal(pa.simple(Command.RESOLVE_ROUTE, L.ResolveRoute.size, id, 2000), 0);
  next(pa, E.ROUTE_RESOLVED);
  f.run(MS);
  return { pa, pb, listener, id };
}

test('a connection: its events, its attributes, its end', (t) => {
  const { f, a, b } = hosts(t);
  const { pa, pb, listener, id } = prepared(f, a, b);
  assert.equal(pa.connect(id, 0x123456, data('hello')), 0);
  assert.equal(pb.readable, false);
  f.run(MS);
  assert.equal(pb.readable, true);
  const request = next(pb, E.CONNECT_REQUEST);
  assert.equal(pb.readable, false);
  assert.equal(request.uid, 0xb0n, "the listener's");
  assert.notEqual(request.id, listener);
  assert.match(privateOf(request), /^hello\0*$/);
  assert.equal(request.param.readUInt32LE(L.ConnParam.qpNum), 0x123456);
  // Seen from here what the peer may have outstanding is what is answered here.
  assert.equal(request.param[L.ConnParam.responderResources], 3);
  assert.equal(request.param[L.ConnParam.initiatorDepth], 4);
  assert.equal(request.param[L.ConnParam.retryCount], 7);

  const addr = pb.queryAddr(request.id);
  assert.equal(addr.readUInt16LE(L.QueryAddrResp.srcSize), 16);
  assert.equal(addr.readUInt16BE(L.QueryAddrResp.srcAddr + 2), 7471);
  assert.deepEqual(addr.subarray(L.QueryAddrResp.dstAddr + 4, L.QueryAddrResp.dstAddr + 8), Buffer.from([10, 1, 0, 1]));
  assert.deepEqual(new Uint8Array(addr.subarray(0, 8)), new Uint8Array(b.gsi.caGuid));
  assert.equal(addr[L.QueryAddrResp.portNum], 1);

  const rtr = pb.initQpAttr(request.id, QpState.RTR) as Buffer;
  assert.equal(rtr.readUInt32LE(L.QpAttr.destQpNum), 0x123456);
  assert.ok(rtr.readUInt32LE(L.QpAttr.qpAttrMask) & A.DEST_QPN);
  assert.deepEqual(new Uint8Array(rtr.subarray(L.QpAttr.ahAttr, L.QpAttr.ahAttr + 16)), gidFromAddress(a.address));
  assert.equal(rtr[L.QpAttr.ahAttr + 29], 1, 'is_global');

  assert.equal(pb.accept(request.id, 0xb1n, 0x654321, data('welcome')), 0);
  f.run(MS);
  const response = next(pa, E.CONNECT_RESPONSE);
  assert.equal(response.uid, 0xa0n);
  assert.equal(response.id, id);
  assert.match(privateOf(response), /^welcome\0*$/);
  const rts = pa.initQpAttr(id, QpState.RTS) as Buffer;
  assert.equal(rts[L.QpAttr.retryCnt], 7);
  assert.equal(pa.establish(id), 0);
  f.run(MS);
  const established = next(pb, E.ESTABLISHED);
  assert.deepEqual([established.uid, established.id], [0xb1n, request.id]);

  assert.equal(pa.simple(Command.DISCONNECT, L.Disconnect.size, id), 0);
  f.run(MS);
  next(pb, E.DISCONNECTED);
  assert.equal(pb.simple(Command.DISCONNECT, L.Disconnect.size, request.id), 0);
  f.run(MS);
  next(pa, E.DISCONNECTED);
  // ADDR_RESOLVED, ROUTE_RESOLVED, CONNECT_RESPONSE, DISCONNECTED; the request counts for the listener.
  assert.equal(pa.destroyId(id), 4);
  assert.equal(pb.destroyId(request.id), 2);
  assert.equal(pb.destroyId(listener), 1);
  assert.equal(a.rdma.ids.size + b.rdma.ids.size, 0);
});

test('GET_EVENT waits, and is answered when an event comes', (t) => {
  const { f, a, b } = hosts(t);
  const { pa, pb, id } = prepared(f, a, b);
  assert.equal(pb.event(), EAGAIN);
  pb.nonBlocking = false;
  assert.equal(pb.askForEvent(), null);
  pa.connect(id, 5, data(''));
  f.run(MS);
  assert.deepEqual(pb.answered, [L.CmdHdr.size + L.GetEvent.size]);
  assert.equal(pb.eventThere().event, E.CONNECT_REQUEST);
  assert.equal(pb.readable, false);
});

test('who was killed while it waited gets no event; it waits for the next', (t) => {
  const { f, a, b } = hosts(t);
  const { pa, pb, id } = prepared(f, a, b);
  pb.nonBlocking = false;
  assert.equal(pb.askForEvent(), null);
  pb.killed = true;
  pa.connect(id, 5, data(''));
  f.run(MS);
  assert.deepEqual(pb.answered, []);
  assert.equal(pb.readable, true);
  next(pb, E.CONNECT_REQUEST);
});

test('a file that is closed leaves those who wait waiting, and ends its ids; requests that nobody fetched are refused', (t) => {
  const { f, a, b } = hosts(t);
  const { pa, pb, id } = prepared(f, a, b);
  pa.connect(id, 5, data(''));
  f.run(MS);
  pb.file.close();
  f.run(MS);
  assert.equal(next(pa, E.REJECTED).status, 28, 'CONSUMER_DEFINED');
  assert.equal(b.rdma.ids.size, 0);
  assert.equal(b.ucma.contexts.size, 0);
  assert.equal(pb.event(), -5);
  pa.nonBlocking = false;
  assert.equal(pa.askForEvent(), null);
  pa.file.close();
  assert.deepEqual(pa.answered, [], 'as in Linux, where a write under way keeps the file');
});

test('an id that was not accepted yet is silent', (t) => {
  const { f, a, b } = hosts(t);
  const { pa, pb, id } = prepared(f, a, b);
  pa.connect(id, 5, data(''));
  f.run(MS);
  const request = next(pb, E.CONNECT_REQUEST);
  // The asker gives up, which the program hears of only by its accept.
  pa.destroyId(id);
  f.run(MS);
  assert.equal(pb.event(), EAGAIN);
  assert.ok(pb.accept(request.id, 0xb1n, 1, data(''))! < 0);
});

test('the backlog: requests that nobody fetched', (t) => {
  const { f, a, b } = hosts(t);
  const { pa, pb } = prepared(f, a, b);
  for (let i = 0; i < 6; i++) {
    const id = pa.createId(BigInt(i + 1));
    pa.resolveAddr(id, b.address, 7471);
    pa.simple(Command.RESOLVE_ROUTE, L.ResolveRoute.size, id);
    assert.equal(pa.connect(id, 100 + i, data('')), 0);
  }
  f.run(MS);
  let count = 0;
  while (typeof pb.event() !== 'number') count++;
  assert.equal(count, 4, 'as listen(4) has it');
});

test('an id moves to another file with its events', (t) => {
  const { f, a, b } = hosts(t);
  const { pa, pb, listener, id } = prepared(f, a, b);
  pa.connect(id, 5, data(''));
  f.run(MS);
  const other = b.open();
  assert.equal(other.migrate(listener, 9), ENOENT, 'no such descriptor');
  other.descriptors.set(9, 'pipe:[1]');
  assert.equal(other.migrate(listener, 9), EINVAL, 'no event channel');
  other.descriptors.set(9, pb.file.description);
  assert.equal(other.migrate(99, 9), ENOENT);
  assert.equal(other.migrate(listener, 9), 0);
  assert.equal(pb.readable, false);
  assert.equal(other.readable, true);
  assert.equal(pb.destroyId(listener), EINVAL, 'it is no longer of this file');
  const request = next(other, E.CONNECT_REQUEST);
  assert.equal(other.accept(request.id, 7n, 1, data('')), 0);
  f.run(MS);
  next(pa, E.CONNECT_RESPONSE);
  pa.establish(id);
  f.run(MS);
  next(other, E.ESTABLISHED);
});

test('ids belong to their file', (t) => {
  const { a } = hosts(t);
  const mine = a.open();
  const id = mine.createId(1n);
  const other = a.open();
  for (const result of [
    other.bind(id, ANY, 0),
    other.destroyId(id),
    other.queryAddr(id) as unknown,
    other.simple(Command.LISTEN, L.Listen.size, id),
    other.connect(id, 1, data('')),
    other.accept(id, 1n, 1, data('')),
    other.initQpAttr(id, QpState.INIT),
    other.setOption(id, OptionLevel.ID, IdOption.TOS, Buffer.from([1])),
  ]) {
    assert.equal(result, EINVAL);
  }
  assert.equal(other.bind(1234, ANY, 0), ENOENT);
  assert.equal(mine.bind(id, ANY, 0), 0);
});

test('ports', (t) => {
  const { a } = hosts(t);
  const p = a.open();
  assert.equal(p.bind(p.createId(1n), ANY, 80), EACCES);
  p.netBindService = true;
  assert.equal(p.bind(p.createId(1n), ANY, 80), 0);
  assert.equal(p.bind(p.createId(1n), ANY, 80), EADDRINUSE);
  assert.equal(p.bind(p.createId(1n), Uint8Array.of(10, 9, 9, 9), 0), EADDRNOTAVAIL);
});

test('what librdmacm asks for at its start: may addresses be of any kind?', (t) => {
  const { a } = hosts(t);
  const p = a.open();
  const id = p.createId(1n, 0x13f);
  const result = p.call(Command.BIND, L.Bind.size, 0, (r) => {
    r.writeUInt32LE(id, L.Bind.id);
    r.writeUInt16LE(L.SockaddrIb.size, L.Bind.addrSize);
    r.writeUInt16LE(27, L.Bind.addr);
    r.writeBigUInt64BE(0x1060000n, L.Bind.addr + L.SockaddrIb.sid);
    r.writeBigUInt64BE(0xffffffffffff0000n, L.Bind.addr + L.SockaddrIb.sidMask);
  });
  assert.equal(result, 0);
  assert.equal(p.queryAddr(id).readUInt16LE(L.QueryAddrResp.srcAddr), 27);
});

test('datagrams and groups', (t) => {
  const { a } = hosts(t);
  const p = a.open();
  const id = p.createId(1n, 0x111);
  assert.equal(p.bind(id, a.address, 0), 0);
  const group = Uint8Array.of(239, 1, 2, 3);
  const number = p.join(id, 0x77n, group);
  const joined = next(p, E.MULTICAST_JOIN);
  assert.deepEqual([joined.uid, joined.id], [0x77n, number]);
  assert.deepEqual(new Uint8Array(joined.param.subarray(8, 24)), gidFromAddress(group));
  assert.equal(joined.param.readUInt32LE(L.UdParam.qpNum), 0xffffff);
  assert.equal(p.join(id, 0x77n, group, 7), EINVAL);
  assert.equal(p.leave(number + 1), ENOENT);
  assert.equal(a.open().leave(number), EINVAL);
  assert.equal(p.leave(number), 1);
  assert.equal(p.destroyId(id), 1);
  assert.equal(a.ucma.multicasts.size, 0);
});

test('options', (t) => {
  const { f, a, b } = hosts(t);
  const p = a.open();
  const id = p.createId(1n);
  const one = Buffer.from([1]);
  const word = Buffer.from([1, 0, 0, 0]);
  assert.equal(p.setOption(id, OptionLevel.ID, IdOption.TOS, one), 0);
  assert.equal(p.setOption(id, OptionLevel.ID, IdOption.TOS, word), EINVAL);
  assert.equal(p.setOption(id, OptionLevel.ID, IdOption.REUSEADDR, word), 0);
  assert.equal(p.setOption(id, OptionLevel.ID, IdOption.AFONLY, word), 0);
  assert.equal(p.setOption(id, OptionLevel.ID, IdOption.ACK_TIMEOUT, one), 0);
  assert.equal(p.setOption(id, OptionLevel.ID, 9, one), ENOSYS);
  assert.equal(p.setOption(id, 5, 0, one), ENOSYS);
  // A path that another tells is what QUERY_PATH tells then.
  const { pa, id: routed } = prepared(f, a, b);
  const room = L.QueryPathResp.size + L.PathRecData.size;
  const path = pa.query(routed, QueryOption.PATH, room) as Buffer;
  assert.equal(path.readUInt32LE(0), 1);
  const fresh = pa.createId(2n);
  pa.resolveAddr(fresh, b.address, 7471);
  next(pa, E.ADDR_RESOLVED);
  assert.equal(pa.setOption(fresh, OptionLevel.IB, 1, path.subarray(8)), 0);
  next(pa, E.ROUTE_RESOLVED);
  assert.deepEqual(pa.query(fresh, QueryOption.PATH, room), path);
});

test('requests that are wrong', (t) => {
  const { a } = hosts(t);
  const p = a.open();
  const header = (cmd: number, inBytes: number, out: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32LE(cmd, 0);
    bytes.writeUInt16LE(inBytes, 4);
    bytes.writeUInt16LE(out, 6);
    return bytes;
  };
  assert.equal(p.writeBytes(Buffer.alloc(7)), EINVAL);
  assert.equal(p.writeBytes(header(23, 0, 0)), EINVAL);
  assert.equal(p.writeBytes(header(Command.CREATE_ID, 24, 4)), EINVAL, 'longer than what was written');
  assert.equal(p.writeBytes(header(Command.GET_OPTION, 0, 0)), ENOSYS);
  assert.equal(p.writeBytes(header(Command.CREATE_ID, 0, 0)), ENOSPC);
  assert.equal(p.file.write(p, 16, 32), EFAULT);
  assert.equal(p.file.write(p, 2 ** 40, 32), EFAULT);
  assert.equal(p.createId(1n, 0x1234), EINVAL, 'no such port space');
  // The answer cannot be written: the id is gone again.
  assert.equal(p.createId(1n, 0x106, 16), EFAULT);
  assert.equal(a.ucma.contexts.size, 0);
  assert.equal(a.rdma.ids.size, 0);
  const id = p.createId(1n);
  assert.equal(p.query(id, 9, 280), ENOSYS);
  assert.equal(p.query(id, QueryOption.ADDR, 100), ENOSPC);
  assert.equal(p.initQpAttr(id, 77), EINVAL);
});

test('an event whose place is not there stays', (t) => {
  const { a, b } = hosts(t);
  const p = a.open();
  const id = p.createId(1n);
  p.resolveAddr(id, b.address, 1);
  assert.equal(p.askForEvent(16), EFAULT);
  assert.equal(p.readable, true);
  next(p, E.ADDR_RESOLVED);
});

test('limits', (t) => {
  const f = new Fabric();
  const host = new UcmaHost(f, '10.1.0.9', { limits: { ids: 3, idsPerFile: 2, multicasts: 1 } });
  t.after(() => {
    host.close();
    f.close();
  });
  const p = host.open();
  assert.deepEqual([p.createId(1n), p.createId(1n), p.createId(1n)], [0, 1, ENOMEM]);
  const q = host.open();
  assert.deepEqual([q.createId(1n, 0x111), q.createId(1n)], [2, ENOMEM]);
  assert.equal(p.destroyId(0), 0);
  assert.equal(p.createId(1n), 0, 'the lowest that is free');
  q.bind(2, host.address, 0);
  assert.ok(q.join(2, 5n, Uint8Array.of(239, 0, 0, 1)) >= 0);
  assert.equal(q.join(2, 6n, Uint8Array.of(239, 0, 0, 2)), ENOMEM);
});
