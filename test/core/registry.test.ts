import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeviceCap, QpType } from '../../src/core/constants.ts';
import type { DriverOps } from '../../src/core/driver.ts';
import { missingMandatory, OP_NAMES, type OpName, VERBS } from '../../src/core/mandatory.ts';
import {
  type DeviceRegistration,
  findDevice,
  listDevices,
  registerDevice,
  unregisterDevice,
} from '../../src/core/registry.ts';
import { allocPd, closeContext, createCq, createSrq, openContext, resizeCq } from '../../src/core/verbs.ts';
import { errno, FakeDriver, without } from './fake-driver.ts';

const register = (ops: DeviceRegistration['ops'], more: Partial<DeviceRegistration> = {}) =>
  registerDevice({ name: 'fake%d', driver: 'fake', ops, ...more });

// The table of Linux's ib_device_check_mandatory (drivers/infiniband/core/device.c).
const LINUX = `query_device query_port alloc_pd dealloc_pd create_qp modify_qp destroy_qp post_send post_recv create_cq
  destroy_cq poll_cq req_notify_cq get_dma_mr reg_user_mr dereg_mr get_port_immutable`;

test('the mandatory verbs are those of Linux, and every op has a place in the table', () => {
  const mandatory = VERBS.filter((v) => v.owed === 'mandatory').map((v) => v.name);
  assert.deepEqual(mandatory, LINUX.split(/\s+/));
  const placed = new Set(VERBS.flatMap((v) => v.ops));
  assert.deepEqual([...placed].toSorted(), OP_NAMES.toSorted());
  assert.deepEqual(
    OP_NAMES.toSorted(),
    Object.getOwnPropertyNames(FakeDriver.prototype)
      .filter((n) => !['constructor', 'note'].includes(n))
      .toSorted(),
  );
  assert.equal(new Set(VERBS.map((v) => v.name)).size, VERBS.length);
  for (const v of VERBS) assert.ok(v.source.length > 0 && (v.ops.length > 0 || v.owed === 'core'), v.name);
});

test('without any one of the mandatory ops a device is for users only, and says what is missing', () => {
  const ops = new Set(VERBS.filter((v) => v.owed === 'mandatory').flatMap((v) => v.ops));
  const bare = { maxSrq: 0, maxMw: 0, maxMcastGrp: 0, maxAh: 0, deviceCapFlags: 0 };
  for (const op of ops) {
    if (op === 'queryDevice' || op === 'queryPort') continue;
    const device = register(without(new FakeDriver(bare), op), { qpTypes: [QpType.RC] });
    assert.equal(device.kverbs, false, op);
    assert.deepEqual(
      device.missingVerbs,
      VERBS.filter((v) => v.owed === 'mandatory' && v.ops.includes(op)).map((v) => v.name),
    );
    assert.throws(
      () => openContext(device, { owner: 'ulp' }),
      errno('EOPNOTSUPP', new RegExp(device.missingVerbs.join(', '))),
    );
    const context = openContext(device, { owner: 'usnic app', contextClass: 'user' });
    closeContext(context);
    unregisterDevice(device);
  }
  const every = (op: OpName): boolean => ops.has(op);
  assert.deepEqual(missingMandatory(every), []);
});

test('a device that cannot be described does not register', () => {
  for (const op of ['queryDevice', 'queryPort'] as const) {
    assert.throws(() => register(without(new FakeDriver(), op)), errno('EINVAL', new RegExp(op)));
  }
  assert.throws(() => register(new FakeDriver({ physPortCnt: 2 })), errno('EINVAL', /physPortCnt is 2/));
  assert.equal(listDevices().length, 0);
});

test('a capability claimed without its verbs is refused', () => {
  const none = { maxSrq: 0, maxMw: 0, maxMcastGrp: 0, maxAh: 0, deviceCapFlags: 0 };
  const cases: [object, (keyof DriverOps)[], RegExp, Partial<DeviceRegistration>?][] = [
    [{ maxSrq: 1 }, ['postSrqRecv'], /post_srq_recv \(owed with srq\)/],
    [{ maxSrq: 1 }, ['modifySrq', 'querySrq'], /modify_srq.*query_srq/],
    [{ deviceCapFlags: DeviceCap.MEM_WINDOW }, ['allocMw'], /alloc_mw \(owed with mw-type-1\)/],
    [{ deviceCapFlags: DeviceCap.MEM_WINDOW_TYPE_2A }, ['deallocMw'], /dealloc_mw \(owed with mw-type-2\)/],
    [{ deviceCapFlags: DeviceCap.MEM_WINDOW_TYPE_2B }, ['allocMw'], /owed with mw-type-2/],
    [{ maxMcastGrp: 1 }, ['detachMcast'], /detach_mcast \(owed with ud-multicast\)/],
    [{ maxAh: 1 }, ['createAh'], /create_ah \(owed with ah\)/],
    [{}, ['createAh'], /create_ah/, { qpTypes: [QpType.UD] }],
    [{}, ['resizeCq'], /resize_cq/, { capabilities: ['resize-cq'] }],
    [{}, ['reregMr'], /rereg_user_mr/, { capabilities: ['rereg-mr'] }],
    [{}, ['postSend'], /atomic/, { capabilities: ['atomic'] }],
    [{}, ['postRecv'], /raw_packet/, { qpTypes: [QpType.RAW_PACKET] }],
  ];
  for (const [attributes, absent, message, more] of cases) {
    const driver = new FakeDriver({ ...none, ...attributes });
    const registration = { qpTypes: [QpType.RC], ...more };
    assert.throws(() => register(without(driver, ...absent), registration), errno('EINVAL', message));
    unregisterDevice(register(driver, registration));
  }
  assert.equal(listDevices().length, 0);
});

test('an absent verb answers EOPNOTSUPP with driver and verb', () => {
  const device = register(
    without(
      new FakeDriver({ maxSrq: 0, deviceCapFlags: 0 }),
      'resizeCq',
      'createSrq',
      'modifySrq',
      'querySrq',
      'destroySrq',
      'postSrqRecv',
    ),
  );
  assert.equal(device.kverbs, true);
  assert.equal(device.has('resizeCq'), false);
  const context = openContext(device, { owner: 'test' });
  const cq = createCq(context, 1);
  assert.throws(() => resizeCq(cq, 2), errno('EOPNOTSUPP', /driver fake of device fake0 has no verb resize_cq/));
  assert.throws(
    () => createSrq(allocPd(context), { maxWr: 1, maxSge: 1, limit: 0 }),
    errno('EOPNOTSUPP', /create_srq/),
  );
  assert.throws(() => device.ops.postSrqRecv(null as never, null as never), errno('EOPNOTSUPP', /post_srq_recv/));
  closeContext(context);
  unregisterDevice(device);
});

test('names: patterns take the lowest number, exact names are unique', () => {
  const make = (name: string) => register(new FakeDriver(), { name });
  const [a, b, c] = [make('rxe%d'), make('rxe%d'), make('rxe%d')];
  assert.deepEqual([a.name, b.name, c.name], ['rxe0', 'rxe1', 'rxe2']);
  unregisterDevice(b);
  const again = make('rxe%d');
  assert.equal(again.name, 'rxe1');
  assert.throws(() => make('rxe0'), errno('EEXIST', /rxe0/));
  for (const bad of ['', '../x', 'a b', 'x'.repeat(64), '%d%d', '/'])
    assert.throws(() => make(bad), errno('EINVAL', /name/));
  assert.equal(findDevice('rxe1'), again);
  assert.deepEqual(listDevices(), [a, c, again]);
  for (const device of [a, c, again]) unregisterDevice(device);
  assert.equal(findDevice('rxe1'), undefined);
  assert.throws(() => unregisterDevice(a), errno('ENODEV'));
});

test('unregistering is refused while contexts are open; a device that is gone opens no more', () => {
  const device = register(new FakeDriver());
  const context = openContext(device, { owner: 'somebody' });
  assert.throws(() => unregisterDevice(device), errno('EBUSY', /somebody/));
  closeContext(context);
  unregisterDevice(device);
  assert.throws(() => openContext(device, { owner: 'late' }), errno('ENODEV'));
});

test('a driver may be made with its device', () => {
  let seen = '';
  const device = register((d) => {
    seen = d.name;
    assert.ok(d.keys);
    return new FakeDriver();
  });
  assert.equal(seen, device.name);
  unregisterDevice(device);
});
