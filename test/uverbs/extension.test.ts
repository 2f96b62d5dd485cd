import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { defineExtension, method } from '../../src/core/extension.ts';
import { bytes, made, object, objectType, own, u32 as u32Attr } from '../../src/core/extension-attrs.ts';
import { registerDevice, unregisterDevice } from '../../src/core/registry.ts';
import type { UserAbi } from '../../src/core/user-abi.ts';
import { UverbsDevice } from '../../src/uverbs/device.ts';
import { FakeDriver } from '../core/fake-driver.ts';
import { Program, u32 } from './program.ts';
import { allocPd, getContext } from './verbs.ts';

const { EFAULT, EINVAL, ENOENT, EPROTONOSUPPORT } = constants.errno;
const NS = 0x1000;

const counter = objectType<{ value: number }>('counter', 3, () => {});
const counters = defineExtension('counters', {
  create: method(counter, 0, { it: made(0, counter), start: u32Attr(1, 'in'), pd: object(2, 'pd') }, ({ args }) => {
    args.it.state = { value: args.start };
    return {};
  }),
  read: method(
    counter,
    1,
    { it: own(0, counter), value: u32Attr(1, 'out'), note: bytes(2, 'in', 0, 64), echo: bytes(3, 'out', 0, 64) },
    ({ args }) => ({ value: args.it.state!.value, echo: args.note }),
  ),
  destroy: method(counter, 2, { it: own(0, counter, 'destroy') }, () => ({})),
});

test("a driver's own methods, on the same device and by numbers", (t) => {
  const device = registerDevice({ name: 'fake%d', driver: 'fake', ops: new FakeDriver(), extensions: [counters] });
  const abi = { driverId: 14, abiVersion: 1 } as UserAbi;
  const uverbs = new UverbsDevice({ device, abi });
  const p = new Program(uverbs.open({ pid: 1, command: 'test', netRaw: false }));
  t.after(() => {
    p.exit();
    unregisterDevice(device);
  });
  getContext(p);
  const pd = allocPd(p);
  const create = p.method(NS + 3, NS + 0, [
    { id: NS + 0, ref: 0 },
    { id: NS + 1, in: u32(40) },
    { id: NS + 2, ref: pd },
  ]);
  assert.equal(create.errno, 0);
  const handle = create.ref.get(NS)!;
  const note = Buffer.from('longer than eight bytes, so it is somewhere else');
  const read = p.method(NS + 3, NS + 1, [
    { id: NS + 0, ref: handle },
    { id: NS + 1, out: 4, flags: 1 },
    { id: NS + 2, in: note },
    { id: NS + 3, out: 64 },
  ]);
  assert.equal(read.errno, 0);
  assert.deepEqual(read.out.get(NS + 1), u32(40));
  assert.equal(read.flags.get(NS + 1), 3, 'MANDATORY | VALID_OUTPUT');
  assert.deepEqual(read.out.get(NS + 3)!.subarray(0, note.length), note);
  assert.equal(p.method(NS + 3, NS + 9, []).errno, EPROTONOSUPPORT);
  assert.equal(p.method(NS + 4, NS + 0, []).errno, EPROTONOSUPPORT);
  assert.equal(p.method(NS + 3, NS + 2, [{ id: NS + 9, ref: 1, flags: 1 }]).errno, EPROTONOSUPPORT);
  assert.equal(p.method(NS + 3, NS + 2, []).errno, EINVAL);
  assert.equal(p.method(NS + 3, NS + 2, [{ id: NS, ref: handle, reserved: 1 }]).errno, EINVAL);
  p.read = (
    (read_) => (address, dst, at, length) =>
      length !== 48 && read_.call(p, address, dst, at, length)
  )(p.read);
  assert.equal(p.method(NS + 3, NS + 1, [{ id: NS + 2, in: note.subarray(0, 48) }]).errno, EFAULT);
  assert.equal(p.method(NS + 3, NS + 2, [{ id: NS, ref: handle }]).errno, 0);
  assert.equal(p.method(NS + 3, NS + 2, [{ id: NS, ref: handle }]).errno, ENOENT);
});
