import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Host, type Program, u32, u64 } from './program.ts';
import {
  allocPd,
  type Cq,
  connect,
  createChannel,
  createCq,
  createQp,
  getContext,
  modifyQp,
  poll,
  postRecv,
  postSend,
  type Qp,
  regMr,
  ring,
} from './verbs.ts';

const WR_FLUSH_ERR = 5;
const ERR = 6;
const STATE = 1;

interface End {
  readonly p: Program;
  readonly cq: Cq;
  readonly qp: Qp;
  readonly buffer: number;
  readonly lkey: number;
  readonly channel: number;
}

function end(host: Host, t: Parameters<Host['open']>[0], user?: bigint): End {
  const p = host.open(t);
  getContext(p);
  const pd = allocPd(p);
  const channel = createChannel(p);
  const cq = createCq(p, 64, channel, user);
  const buffer = p.alloc(8192);
  const { lkey } = regMr(p, pd, buffer, 8192);
  return { p, cq, qp: createQp(p, pd, cq.handle), buffer, lkey, channel };
}

function pair(t: Parameters<Host['open']>[0]): { host: Host; a: End; b: End } {
  const host = new Host(t);
  const [a, b] = [end(host, t, 0xaaaabbbbccccddddn), end(host, t)];
  assert.deepEqual([...connect(a.p, a.qp, b.qp.qpn), ...connect(b.p, b.qp, a.qp.qpn)], [0, 0, 0, 0, 0, 0]);
  return { host, a, b };
}

const arm = ({ p, cq }: End, solicitedOnly = 0): void => void p.ok(23, u32(cq.handle, solicitedOnly));
const destroyQp = ({ p, qp }: End): number =>
  p.ok(27, Buffer.concat([u64(0), u32(qp.handle, 0)]), 4).out.readUInt32LE(0);
const destroyCq = ({ p, cq }: End): number[] => {
  const { out } = p.ok(20, Buffer.concat([u64(0), u32(cq.handle, 0)]), 8);
  return [out.readUInt32LE(0), out.readUInt32LE(4)];
};

function exchange(host: Host, from: End, to: End, text: string): void {
  postRecv(to.qp, 0x8000000000000001n, to.buffer, 4096, to.lkey);
  from.p.bytes.write(text, from.buffer + 4096);
  postSend(from.p, from.qp, 0xffffffffffffffffn, from.buffer + 4096, text.length, from.lkey);
  host.run();
}

test('two programs exchange messages through rings and doorbells', (t) => {
  const { host, a, b } = pair(t);
  for (const text of ['there', 'and again']) {
    exchange(host, a, b, text);
    assert.equal(b.p.at(b.buffer, text.length).toString(), text);
    assert.deepEqual(poll(b.cq), {
      wrId: 0x8000000000000001n,
      status: 0,
      opcode: 128,
      byteLen: text.length,
      qpn: b.qp.qpn,
    });
    assert.deepEqual([poll(a.cq)?.wrId, poll(a.cq)], [0xffffffffffffffffn, null]);
  }
  exchange(host, b, a, 'and back');
  assert.equal(a.p.at(a.buffer, 8).toString(), 'and back');
  assert.deepEqual(host.unexpected, []);
});

test('INVOKE_WRITE rings too', (t) => {
  const { host, a, b } = pair(t);
  postRecv(b.qp, 1n, b.buffer, 4096, b.lkey);
  a.qp.sq.bytes.writeUInt32LE(2, a.qp.sq.slot + 12);
  a.qp.sq.bytes.writeUInt32LE(2, a.qp.sq.slot + 16);
  a.qp.sq.post();
  assert.equal(a.p.invoke(28, Buffer.concat([u64(0), u32(a.qp.handle, 0, 0, 128)]), 4).errno, 0);
  host.run();
  assert.equal(poll(b.cq)?.status, 0);
});

test('doorbells of queue pairs that are not there, or not ready, do nothing', (t) => {
  const { host, a, b } = pair(t);
  const raw = createQp(a.p, 1, a.cq.handle);
  for (const handle of [0xffffffff, a.cq.handle, 999, raw.handle, b.qp.handle]) ring(a.p, handle);
  assert.equal(a.p.file.takeDoorbells(), 5);
  exchange(host, a, b, 'still');
  assert.equal(poll(b.cq)?.byteLen, 5);
});

test('completion events: the user handle, once for each time it was armed, counted when read', (t) => {
  const { host, a, b } = pair(t);
  arm(a);
  exchange(host, a, b, 'one');
  exchange(host, a, b, 'two');
  assert.deepEqual(a.p.drain(a.channel), u64(0xaaaabbbbccccddddn));
  arm(a);
  arm(a);
  exchange(host, a, b, 'three');
  assert.deepEqual(a.p.drain(a.channel), u64(0xaaaabbbbccccddddn));
  destroyQp(a);
  assert.deepEqual(destroyCq(a), [2, 0]);
});

test('events that nobody has read go with their queue, and others on the channel stay', (t) => {
  const { host, a, b } = pair(t);
  const other = createCq(a.p, 8, a.channel, 0x99n);
  const third: End = { ...a, cq: other, qp: createQp(a.p, 1, other.handle) };
  assert.deepEqual(connect(third.p, third.qp, b.qp.qpn), [0, 0, 0]);
  arm(third);
  postRecv(third.qp, 5n, a.buffer, 8, a.lkey);
  assert.equal(modifyQp(a.p, third.qp.handle, STATE, { 96: ERR }), 0);
  host.run();
  arm(a);
  exchange(host, a, b, 'unread');
  destroyQp(a);
  assert.deepEqual(destroyCq(a), [0, 0]);
  assert.deepEqual(a.p.drain(a.channel), u64(0x99), 'of the other queue');
  destroyQp(third);
  assert.deepEqual(destroyCq(third), [1, 0]);
  assert.deepEqual(a.p.drain(a.channel), Buffer.alloc(0));
});

test('asynchronous events: element and type; those not read are not counted', (t) => {
  const { host, a, b } = pair(t);
  const [asyncFd] = a.p.fds;
  host.rxe.device.raise(10, null);
  assert.deepEqual(a.p.drain(asyncFd), Buffer.concat([u64(1), u32(10, 0)]), 'the port');
  const qp = [...host.rxe.device.contexts].flatMap((it) => it.handles.ofKind('qp')).find((it) => it.qpn === a.qp.qpn)!;
  host.rxe.device.raise(2, qp);
  assert.deepEqual(a.p.drain(asyncFd), Buffer.concat([u64(0xfedcba9876543210n), u32(2, 0)]));
  host.rxe.device.raise(3, qp);
  host.rxe.device.raise(10, null);
  assert.equal(destroyQp(a), 1);
  assert.deepEqual(a.p.drain(asyncFd), Buffer.concat([u64(1), u32(10, 0)]), "the port's is left");
  assert.notEqual(b.p.drain(b.p.fds[0]).length, 0);
});

test('receive requests posted to a queue pair in error are flushed without a doorbell', (t) => {
  const { host, a } = pair(t);
  assert.equal(host.uverbs.turn(), Number.POSITIVE_INFINITY);
  assert.equal(modifyQp(a.p, a.qp.handle, STATE, { 96: ERR }), 0);
  assert.equal(host.uverbs.turn(), 1, 'somebody has to look again soon');
  assert.equal(poll(a.cq), null);
  postRecv(a.qp, 77n, a.buffer, 16, a.lkey);
  host.uverbs.turn();
  const wc = poll(a.cq);
  assert.deepEqual([wc?.wrId, wc?.status], [77n, WR_FLUSH_ERR]);
  assert.equal(modifyQp(a.p, a.qp.handle, STATE, { 96: 0 }), 0);
  assert.equal(host.uverbs.turn(), Number.POSITIVE_INFINITY);
});

test('a program that scribbles over its rings harms itself only', (t) => {
  const { host, a, b } = pair(t);
  const c = end(host, t);
  const d = end(host, t);
  connect(c.p, c.qp, d.qp.qpn);
  connect(d.p, d.qp, c.qp.qpn);
  for (const { bytes } of [a.qp.sq, a.qp.rq, a.cq.queue]) bytes.fill(0xff);
  ring(a.p, a.qp.handle);
  host.run();
  a.p.exit();
  exchange(host, c, d, 'unharmed');
  assert.equal(d.p.at(d.buffer, 8).toString(), 'unharmed');
  assert.equal(b.p.file.takeDoorbells(), 0);
});
