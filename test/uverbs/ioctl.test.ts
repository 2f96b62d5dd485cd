import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { VerbsError } from '../../src/core/errors.ts';
import { Host, header, u32, u64 } from './program.ts';
import { allocPd, createCq, getContext } from './verbs.ts';

const { EFAULT, EINVAL, ENOENT, ENOSPC, EOPNOTSUPP, EPROTONOSUPPORT } = constants.errno;
const MANDATORY = 1;
const VALID_OUTPUT = 2;

test('the header is checked as ib_uverbs_ioctl does', (t) => {
  const program = new Host(t).open(t);
  getContext(program);
  const change = (at: number, value: number): number => {
    const call = header(1, 0, 0);
    call[at] = value;
    return program.raw(call);
  };
  assert.equal(program.file.ioctl(program, 2 ** 46), EFAULT);
  assert.equal(program.file.ioctl(program, program.bytes.length - 8), EFAULT);
  assert.equal(program.file.ioctl(program, Number.MAX_SAFE_INTEGER), EFAULT);
  assert.equal(change(0, 40), EINVAL, 'a length that its attributes do not have');
  assert.equal(change(6, 1), EINVAL);
  assert.equal(change(8, 1), EPROTONOSUPPORT, 'reserved1');
  assert.equal(change(20, 1), EPROTONOSUPPORT, 'reserved2');
  assert.equal(change(16, 13), EINVAL, 'another driver');
  assert.equal(change(2, 77), EPROTONOSUPPORT, 'no such object');
  assert.equal(change(4, 9), EPROTONOSUPPORT, 'no such method');
  assert.equal(change(3, 0x10), EPROTONOSUPPORT, 'no such object of the driver');
  assert.equal(program.raw(header(1, 0, 255)), EINVAL, 'longer than a page');
});

test('attributes are checked as uverbs_set_attr does', (t) => {
  const program = new Host(t).open(t);
  getContext(program);
  const pd = allocPd(program);
  const destroy = (attrs: Parameters<typeof program.method>[2]): number => program.method(1, 0, attrs).errno;
  assert.equal(destroy([]), EINVAL, 'a mandatory attribute is missing');
  assert.equal(destroy([{ id: 0, ref: pd, reserved: 1 }]), EINVAL);
  assert.equal(destroy([{ id: 0, in: u32(pd) }]), EINVAL, 'a handle has no length');
  assert.equal(
    destroy([
      { id: 0, ref: pd },
      { id: 7, ref: 0, flags: MANDATORY },
    ]),
    EPROTONOSUPPORT,
  );
  assert.equal(
    destroy([
      { id: 0, ref: pd },
      { id: 0, ref: pd },
    ]),
    EINVAL,
    'given twice',
  );
  assert.equal(destroy([{ id: 0, ref: pd + 999 }]), ENOENT);
  assert.equal(destroy([{ id: 0, ref: -1 }]), ENOENT);
  assert.equal(destroy([{ id: 0, ref: createCq(program, 8).handle }]), EINVAL, 'of another kind');
  assert.equal(
    destroy([
      { id: 0, ref: pd },
      { id: 7, ref: 0 },
    ]),
    0,
    'an unknown one that is optional is passed over',
  );
  assert.equal(destroy([{ id: 0, ref: pd }]), ENOENT, 'it is gone');
});

test('outputs: as much as there is room for, zeros behind, and a flag', (t) => {
  const program = new Host(t).open(t);
  getContext(program);
  // QUERY_PORT: struct ib_uverbs_query_port_resp_ex
  const query = (out: number) =>
    program.method(0, 2, [
      { id: 0, in: u64(1) },
      { id: 1, out, flags: MANDATORY },
    ]);
  const whole = query(64);
  assert.equal(whole.errno, 0);
  assert.equal(whole.flags.get(1), MANDATORY | VALID_OUTPUT);
  assert.equal(whole.out.get(1)!.readUInt32LE(16), 128, 'gid_tbl_len');
  assert.deepEqual(whole.out.get(1)!.subarray(48), Buffer.alloc(16), 'what a newer library has room for is zero');
  assert.deepEqual(query(42).out.get(1), whole.out.get(1)!.subarray(0, 42));
  assert.equal(query(40).errno, EINVAL, 'less than the structure ever had');
  assert.equal(
    program.method(0, 2, [
      { id: 0, in: u64(2) },
      { id: 1, out: 48 },
    ]).errno,
    EINVAL,
    'port 2',
  );
  assert.equal(
    program.method(0, 2, [
      { id: 0, in: u32(1) },
      { id: 1, out: 48 },
    ]).errno,
    EINVAL,
    '4 bytes of a constant',
  );
});

test('INVOKE_WRITE: what libibverbs asks to find out that it is there, and what is refused', (t) => {
  const program = new Host(t).open(t);
  assert.equal(program.invoke(3, null).errno, ENOSPC, 'has_ioctl_write');
  assert.equal(program.invoke(3, u64(0), 4).errno, EINVAL, 'no context yet');
  getContext(program);
  assert.equal(program.invoke(0, u64(0), 8).errno, EINVAL, 'a second context');
  assert.equal(program.invoke(3, null).errno, ENOSPC);
  assert.equal(program.invoke(3, u64(0), 3).errno, ENOSPC, 'no room for the answer');
  assert.equal(program.invoke(9, Buffer.alloc(39), 12).errno, ENOSPC, 'half a request');
  assert.equal(program.invoke(0x100, u64(0), 8).errno, EINVAL);
  // What rxe has not: PEEK_CQ, MODIFY_AH, OPEN_XRCD, CREATE_FLOW, CREATE_WQ, MODIFY_CQ; and what its provider does itself.
  for (const id of [6, 22, 37, 0x80000032, 0x80000034, 0x80000039, 21, 29, 36, 200]) {
    assert.equal(program.invoke(id, Buffer.alloc(64), 64).errno, EOPNOTSUPP, `command ${id}`);
  }
  const longer = Buffer.alloc(16);
  assert.equal(program.invoke(3, longer, 4).errno, 0, 'zeros beyond the request');
  longer[15] = 1;
  assert.equal(program.invoke(3, longer, 4).errno, EOPNOTSUPP, 'a request that says more');
});

test('EX_QUERY_DEVICE: response_length is what the program gets', (t) => {
  const program = new Host(t).open(t);
  getContext(program);
  const query = (room: number, request = u32(0, 0)) => program.invoke(0x80000001, request, room);
  assert.equal(query(183).errno, ENOSPC);
  assert.equal(query(184).out.readUInt32LE(180), 184);
  const whole = query(400);
  assert.equal(whole.out.readUInt32LE(180), 304);
  assert.deepEqual(whole.out.subarray(304), Buffer.alloc(96));
  assert.equal(query(304, u32(1, 0)).errno, EINVAL, 'comp_mask');
  const old = program.invoke(1, u64(0), 176);
  assert.deepEqual(old.out, whole.out.subarray(0, 176));
  assert.equal(old.out.readUInt32LE(108), 1, 'atomic_cap: IB_ATOMIC_HCA');
  assert.equal(old.out[171], 1, 'phys_port_cnt');
});

test('a program whose memory cannot be written to keeps nothing', (t) => {
  const host = new Host(t);
  const program = host.open(t);
  getContext(program);
  const before = JSON.stringify(host.rxe.device.counts);
  const denied = program.write;
  for (const [id, request, out, driver] of [
    [3, u64(0), 4, 0],
    [18, Buffer.concat([u64(0), u64(1), u32(8, 0, -1, 0)]), 8, 16],
    [17, u64(0), 4, 0],
  ] as const) {
    program.write = () => false;
    assert.equal(program.invoke(id, request, out, driver).errno, EFAULT);
    program.write = denied;
    assert.equal(JSON.stringify(host.rxe.device.counts), before, `command ${id}`);
  }
  assert.equal(program.fds.length, 1, 'no descriptor but that of the asynchronous events');
});

test('GET_CONTEXT that fails leaves none, and can be tried again', (t) => {
  const host = new Host(t);
  const p = host.open(t);
  const install = p.installFd;
  p.installFd = () => {
    throw new VerbsError('installFd', 'EMFILE', 'no descriptor is free');
  };
  assert.equal(p.invoke(0, u64(0), 8).errno, constants.errno.EMFILE);
  assert.equal(host.rxe.device.contexts.size, 0);
  p.installFd = install;
  assert.equal(p.invoke(0, u64(0), 8).errno, 0);
});
