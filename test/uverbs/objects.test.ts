import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { Host, type Program, u32, u64 } from './program.ts';
import {
  allocPd,
  connect,
  createChannel,
  createCq,
  createQp,
  getContext,
  modifyQp,
  qpRequest,
  regMr,
} from './verbs.ts';

const { EBADF, EBUSY, EFAULT, EINVAL, EMFILE, ENODATA, ENOENT, ENOMEM, EOPNOTSUPP } = constants.errno;
const UHW_OUT = 0x1001;

function opened(t: Parameters<typeof Host.prototype.open>[0], options = {}): { host: Host; p: Program; pd: number } {
  const host = new Host(t, options);
  const p = host.open(t);
  getContext(p);
  return { host, p, pd: allocPd(p) };
}

test('protection domains are busy while something is in them', (t) => {
  const { p, pd } = opened(t);
  const address = p.alloc(8192);
  const mr = regMr(p, pd, address, 8192);
  assert.equal(p.invoke(4, u32(pd)).errno, EBUSY);
  assert.equal(p.invoke(13, u32(mr.handle)).errno, 0);
  assert.equal(p.invoke(4, u32(pd)).errno, 0);
  assert.equal(p.invoke(4, u32(pd)).errno, ENOENT);
});

test('another open device sees none of it', (t) => {
  const { host, p, pd } = opened(t);
  const q = host.open(t);
  getContext(q);
  const cq = createCq(p, 8);
  assert.equal(q.invoke(4, u32(pd)).errno, ENOENT);
  assert.equal(q.invoke(20, Buffer.concat([u64(0), u32(cq.handle, 0)]), 8).errno, ENOENT);
  assert.equal(q.invoke(23, u32(cq.handle, 0)).errno, EINVAL);
  const channel = createChannel(p);
  const request = Buffer.concat([u64(0), u64(1), u32(8, 0, channel, 0)]);
  assert.equal(q.invoke(18, request, 8, 16).errno, EBADF, 'the channel of another');
  assert.equal(p.invoke(18, request, 8, 16).errno, 0);
});

test('memory regions: what is refused', (t) => {
  const { p, pd } = opened(t);
  const address = 2 << 20;
  const reg = (start: number | bigint, length: number | bigint, iova: number | bigint, access = 1, of = pd): number =>
    p.invoke(9, Buffer.concat([u64(0), u64(start), u64(length), u64(iova), u32(of, access)]), 12).errno;
  assert.equal(reg(address, 4096, address), 0);
  assert.equal(reg(address, 4096, 0), 0, 'addressed from 0');
  assert.equal(reg(address, 4096, 8), EINVAL, 'other bytes of a page');
  assert.equal(reg(address, 4096, address, 2), EINVAL, 'remote without local write');
  assert.equal(reg(address, 4096, address, 1, pd + 50), EINVAL);
  assert.equal(reg(3 << 20, (1 << 20) + 1, 3 << 20), EFAULT, 'beyond the end');
  assert.equal(reg(0, 4096, 0), EFAULT, 'not mapped');
  assert.equal(reg(2n ** 64n - 4096n, 4096, 2n ** 64n - 4096n), EINVAL, 'overflows');
  assert.equal(reg(address, 2n ** 64n - 1n, address), EINVAL);
  assert.equal(reg(address, 4096, 2n ** 60n), EINVAL, 'an iova that a number cannot hold');
  assert.equal(reg(address, 0, address), EINVAL);
});

test('REREG_MR changes rights; QUERY_MR and REG_MR as methods', (t) => {
  const { host, p, pd } = opened(t);
  const address = 2 << 20;
  const mr = regMr(p, pd, address, 8192, 1);
  const rereg = (flags: number, access: number): number =>
    p.invoke(11, Buffer.concat([u64(0), u32(mr.handle, flags), u64(0), u64(0), u64(0), u32(pd, access)]), 8).errno;
  assert.equal(rereg(0, 7), EINVAL);
  assert.equal(rereg(8, 7), EOPNOTSUPP);
  assert.equal(rereg(4, 7), 0);
  const [context] = host.rxe.device.contexts;
  assert.equal(context.handles.find('mr', mr.handle)!.access, 7);

  const queried = p.method(7, 3, [
    { id: 0, ref: mr.handle },
    { id: 1, out: 4 },
    { id: 2, out: 4 },
    { id: 3, out: 8 },
    { id: 4, out: 8 },
  ]);
  assert.equal(queried.errno, 0);
  assert.equal(queried.out.get(1)!.readUInt32LE(0), mr.lkey);
  assert.equal(queried.out.get(3)!.readBigUInt64LE(0), 8192n);
  assert.equal(queried.out.get(4)!.readBigUInt64LE(0), BigInt(address));

  const registered = p.method(7, 5, [
    { id: 0, ref: 0 },
    { id: 1, ref: pd },
    { id: 3, in: u64(address) },
    { id: 4, in: u64(address) },
    { id: 5, in: u64(4096) },
    { id: 6, in: u32(1) },
    { id: 9, out: 4 },
    { id: 10, out: 4 },
  ]);
  assert.equal(registered.errno, 0);
  assert.equal(p.method(7, 1, [{ id: 0, ref: registered.ref.get(0)! }]).errno, 0);
});

test('completion queues: write command and method', (t) => {
  const { p } = opened(t);
  const cq = createCq(p, 20);
  assert.equal(cq.queue.mask, 31);
  assert.equal(1 << cq.queue.log2, 64);
  const request = (cqe: number, vector = 0): Buffer => Buffer.concat([u64(0), u64(1), u32(cqe, vector, -1, 0)]);
  assert.equal(p.invoke(18, request(0), 8, 16).errno, EINVAL);
  assert.equal(p.invoke(18, request(40000), 8, 16).errno, EINVAL, 'more than max_cqe');
  assert.equal(p.invoke(18, request(8, 1), 8, 16).errno, EINVAL, 'comp_vector');
  assert.equal(p.invoke(18, request(8), 8, 8).errno, EINVAL, 'no room for where the queue is');
  const create = (extra: Parameters<Program['method']>[2] = []): ReturnType<Program['method']> =>
    p.method(3, 0, [
      { id: 0, ref: 0 },
      { id: 1, in: u32(100) },
      { id: 2, in: u64(77) },
      { id: 4, in: u32(0) },
      { id: 6, out: 4 },
      { id: UHW_OUT, out: 16 },
      ...extra,
    ]);
  const made = create();
  assert.equal(made.errno, 0);
  assert.equal(made.out.get(6)!.readUInt32LE(0), 127);
  assert.equal(p.map(made.out.get(UHW_OUT)!, 0).mask, 127);
  assert.equal(create([{ id: 5, in: u32(1) }]).errno, EOPNOTSUPP, 'time stamps');
  assert.equal(create([{ id: 5, in: u32(8) }]).errno, EINVAL);
  assert.equal(create([{ id: 3, ref: 999 }]).errno, EBADF);
  const gone = p.method(3, 1, [
    { id: 0, ref: made.ref.get(0)! },
    { id: 1, out: 8 },
  ]);
  assert.deepEqual([gone.errno, gone.out.get(1)], [0, Buffer.alloc(8)]);
  assert.equal(p.invoke(0x80000012, Buffer.concat([u64(1), u32(8, 0, -1, 0, 0, 0)]), 16, 16).errno, 0);
  assert.equal(p.invoke(0x80000012, Buffer.concat([u64(1), u32(8, 0, -1, 0, 1, 0)]), 16, 16).errno, EOPNOTSUPP);
});

test('RESIZE_CQ: another queue, and the old one is given back', (t) => {
  const { p } = opened(t);
  const cq = createCq(p, 20);
  const resize = (cqe: number, driver = 16) => p.invoke(19, Buffer.concat([u64(0), u32(cq.handle, cqe)]), 8, driver);
  const answer = resize(200);
  assert.equal(answer.out.readUInt32LE(0), 255);
  assert.equal(p.map(answer.driver, 0).mask, 255);
  assert.equal(cq.queue.bytes.readUInt32LE(4), 0, 'its pages are punched out');
  assert.equal(resize(0).errno, EINVAL);
  assert.equal(resize(100, 0).errno, EINVAL);
});

test('queue pairs: made, queried as modified, destroyed', (t) => {
  const { p, pd } = opened(t);
  const cq = createCq(p, 64);
  const qp = createQp(p, pd, cq.handle);
  assert.deepEqual(connect(p, qp, 4242), [0, 0, 0]);
  const { out } = p.ok(25, Buffer.concat([u64(0), u32(qp.handle, 0)]), 128);
  assert.equal(out[108], 3, 'RTS');
  assert.equal(out.readUInt32LE(96), 4242);
  assert.equal(out[110], 3, 'path_mtu');
  assert.deepEqual(out.subarray(0, 16).toString('hex'), '00000000000000000000ffff7f000001');
  assert.deepEqual([out[30], out[31]], [1, 1], 'is_global, port_num');
  assert.deepEqual([out[117], out[118], out[119]], [14, 7, 7]);
  assert.equal(out.readUInt32LE(64), 31, 'max_send_wr');
  assert.equal(p.invoke(20, Buffer.concat([u64(0), u32(cq.handle, 0)]), 8).errno, EBUSY);
  assert.equal(modifyQp(p, qp.handle, 1, { 96: 1 }), EINVAL, 'not a transition');
  assert.equal(modifyQp(p, qp.handle, 1 << 25, {}), EOPNOTSUPP, 'a rate limit');
  assert.equal(modifyQp(p, qp.handle + 99, 1, { 96: 0 }), EINVAL);
  const gone = p.ok(27, Buffer.concat([u64(0), u32(qp.handle, 0)]), 4);
  assert.equal(gone.out.readUInt32LE(0), 0);
  assert.equal(p.invoke(20, Buffer.concat([u64(0), u32(cq.handle, 0)]), 8).errno, 0);
});

test('queue pairs: what is refused', (t) => {
  const { p, pd } = opened(t);
  const { handle: cq } = createCq(p, 64);
  const create = (request: Buffer, driver = 32): number => p.invoke(24, request, 32, driver).errno;
  assert.equal(create(qpRequest(pd, cq), 31), EINVAL);
  assert.equal(create(qpRequest(pd, cq, 0n, 9)), EOPNOTSUPP, 'XRC');
  assert.equal(create(qpRequest(pd, cq, 0n, 1)), EINVAL, 'GSI is none for programs');
  assert.equal(create(qpRequest(pd, cq, 0n, 8)), EOPNOTSUPP, 'raw packets, which rxe has not');
  assert.equal(create(qpRequest(cq, cq)), EINVAL);
  assert.equal(create(qpRequest(pd, pd)), EINVAL);
  const huge = qpRequest(pd, cq);
  huge.writeUInt32LE(0xffffffff, 32);
  assert.equal(create(huge), EINVAL);
  const method = (type: number, extra: Parameters<Program['method']>[2] = []) =>
    p.method(4, 0, [
      { id: 0, ref: 0 },
      { id: 2, ref: pd },
      { id: 4, ref: cq },
      { id: 5, ref: cq },
      { id: 7, in: u64(1) },
      { id: 8, in: u32(10, 10, 1, 1, 32) },
      { id: 9, in: u64(type) },
      { id: 13, out: 20 },
      { id: 14, out: 4 },
      { id: UHW_OUT, out: 32 },
      ...extra,
    ]);
  const made = method(4, [{ id: 10, in: u32(1 << 12) }]);
  assert.equal(made.errno, 0);
  assert.equal(made.out.get(13)!.readUInt32LE(0), 15);
  assert.equal(method(2, [{ id: 10, in: u32(2) }]).errno, EINVAL, 'a flag of UD');
  assert.equal(method(4, [{ id: 10, in: u32(2) }]).errno, EOPNOTSUPP);
  assert.equal(method(2, [{ id: 1, ref: 1 }]).errno, EINVAL, 'an XRC domain');
  assert.equal(
    p.method(4, 1, [
      { id: 0, ref: made.ref.get(0)! },
      { id: 1, out: 4 },
    ]).errno,
    0,
  );
});

test('shared receive queues: made, resized, limited', (t) => {
  const { p, pd } = opened(t);
  const { out, driver } = p.ok(32, Buffer.concat([u64(0), u64(1), u32(pd, 10, 2, 0)]), 16, 24);
  const srq = out.readUInt32LE(0);
  assert.equal(out.readUInt32LE(4), 15);
  assert.equal(p.map(driver, 0).mask, 15);
  const at = p.alloc(16);
  const modify = (mask: number, maxWr: number, limit: number, address: bigint | number = at) =>
    p.invoke(33, u32(srq, mask, maxWr, limit), 0, 0, u64(address)).errno;
  assert.equal(modify(1, 100, 0, 2n ** 63n), EFAULT);
  assert.equal(modify(1, 100, 0), 0);
  assert.equal(p.map(p.at(at, 16), 0).mask, 127);
  assert.equal(modify(2, 0, 5), 0);
  assert.equal(modify(2, 0, 500), EINVAL);
  assert.deepEqual(p.ok(34, Buffer.concat([u64(0), u32(srq, 0)]), 16).out, u32(127, 2, 5, 0));
  assert.equal(p.invoke(39, Buffer.concat([u64(0), u64(1), u32(1, pd, 8, 1, 0, 0, 0, 0)]), 16, 24).errno, EOPNOTSUPP);
  assert.equal(p.invoke(39, Buffer.concat([u64(0), u64(1), u32(0, pd, 8, 1, 0, 0, 0, 0)]), 16, 24).errno, 0);
  assert.equal(p.ok(35, Buffer.concat([u64(0), u32(srq, 0)]), 4).out.readUInt32LE(0), 0);
});

test('address handles, windows and multicast', (t) => {
  const { p, pd } = opened(t);
  const av = Buffer.alloc(32);
  Buffer.from('00000000000000000000ffff7f000001', 'hex').copy(av);
  av[29] = 1;
  av[30] = 1;
  const create = (driver: number) => p.invoke(5, Buffer.concat([u64(0), u64(0), u32(pd, 0), av]), 4, driver);
  assert.equal(create(0).errno, EINVAL, 'a provider that does not know of numbers of address handles');
  const made = create(8);
  assert.equal(made.errno, 0);
  assert.notEqual(made.driver.readUInt32LE(0), 0);
  assert.equal(p.method(6, 0, [{ id: 0, ref: made.out.readUInt32LE(0) }]).errno, 0);
  av[29] = 0;
  assert.equal(create(8).errno, EINVAL, 'without a global route');

  const window = Buffer.concat([u64(0), u32(pd), Buffer.from([2, 0, 0, 0])]);
  const mw = p.ok(14, window, 8).out.readUInt32LE(0);
  assert.equal(p.invoke(16, u32(mw)).errno, 0);

  const { handle: cq } = createCq(p, 8);
  const qp = p.ok(24, qpRequest(pd, cq, 1n, 4), 32, 32).out.readUInt32LE(0);
  const group = Buffer.concat([Buffer.from('00000000000000000000ffffe0010203', 'hex'), u32(qp, 0)]);
  assert.equal(p.invoke(31, group).errno, EINVAL, 'not attached');
  assert.equal(p.invoke(30, group).errno, 0);
  assert.equal(p.invoke(27, Buffer.concat([u64(0), u32(qp, 0)]), 4).errno, EBUSY);
  assert.equal(p.invoke(31, group).errno, 0);
  assert.equal(p.invoke(27, Buffer.concat([u64(0), u32(qp, 0)]), 4).errno, 0);
});

test('what a program asks of its context', (t) => {
  const host = new Host(t);
  const p = host.open(t);
  const made = p.method(0, 3, [
    { id: 0, out: 4 },
    { id: 1, out: 8 },
  ]);
  assert.deepEqual([made.errno, made.out.get(0), made.out.get(1)], [0, u32(1), u64(1)]);
  assert.equal(p.method(16, 0, [{ id: 0, ref: 0 }]).ref.get(0), p.fds[0]);
  assert.equal(p.method(0, 4, [{ id: 0, out: 4 }]).errno, 0, 'QUERY_CONTEXT');
  const pds = [allocPd(p), allocPd(p)];
  const handles = p.method(0, 1, [
    { id: 0, in: u64(1) },
    { id: 1, out: 4 },
    { id: 2, out: 64 },
  ]);
  assert.deepEqual([handles.errno, handles.out.get(1)], [0, u32(2)]);
  assert.deepEqual(handles.out.get(2)!.subarray(0, 8), u32(...pds));
  const entry = (index: number) =>
    p.method(0, 6, [
      { id: 0, in: u64(1) },
      { id: 1, in: u64(index) },
      { id: 3, out: 32 },
    ]);
  assert.equal(entry(1).errno, ENODATA);
  assert.equal(entry(500).errno, EINVAL);
  assert.equal(entry(0).out.get(3)!.subarray(0, 16).toString('hex'), '00000000000000000000ffff7f000001');
  assert.equal(entry(0).out.get(3)!.readUInt32LE(24), 2, 'RoCE v2');
  const table = (size: number, room: number) =>
    p.method(0, 5, [
      { id: 0, in: u64(size) },
      { id: 2, out: room },
      { id: 3, out: 8 },
    ]);
  assert.deepEqual(table(32, 320).out.get(3), u64(1));
  assert.equal(table(40, 80).errno, 0, 'a newer and larger entry');
  assert.equal(table(0, 320).errno, EINVAL);
  assert.equal(table(32, 33).errno, EINVAL);
  let errno = 0;
  for (let n = 0; n < 20 && errno === 0; n++) errno = p.method(16, 0, [{ id: 0, ref: 0 }]).errno;
  assert.equal(errno, EMFILE, 'files for asynchronous events without end');
});

test('limits of a context, and all of it gone at the last close', (t) => {
  const { host, p, pd } = opened(t, { limits: { cq: 3 }, queueBytes: 1 << 20 });
  const cqs = [createCq(p, 8), createCq(p, 8)];
  assert.equal(p.invoke(24, big(qpRequest(pd, cqs[0].handle)), 32, 32).errno, ENOMEM, 'more than its queues may take');
  createQp(p, pd, cqs[0].handle);
  createCq(p, 8);
  assert.equal(p.invoke(18, Buffer.concat([u64(0), u64(1), u32(8, 0, -1, 0)]), 8, 16).errno, ENOMEM);
  p.exit();
  assert.deepEqual(new Set(Object.values(host.rxe.device.counts)), new Set([0]));
  assert.equal(host.uverbs.files.size, 0);
  assert.notEqual(p.invoke(3, u64(0), 4).errno, 0);
  assert.deepEqual(host.unexpected, []);
});

function big(request: Buffer): Buffer {
  request.writeUInt32LE(100_000, 32);
  return request;
}
