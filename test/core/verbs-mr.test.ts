import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Access, MwType, QpState, QpType, ReregFlags, SendFlags, WrOpcode } from '../../src/core/constants.ts';
import {
  allocMw,
  allocPd,
  bindMw,
  closeContext,
  deallocMw,
  deallocPd,
  deregMr,
  modifyQp,
  nextKey,
  regMr,
  reregMr,
} from '../../src/core/verbs.ts';
import { av, errno, memory } from './fake-driver.ts';
import { Fixture } from './fixture.ts';

const { LOCAL_WRITE, REMOTE_WRITE, REMOTE_READ, REMOTE_ATOMIC, MW_BIND, ZERO_BASED, ON_DEMAND } = Access;

test('PD: EBUSY while anything is in it, EINVAL once it is gone', (t) => {
  const { context, pd } = new Fixture(t);
  const mr = regMr(pd, memory(1), { access: 0 });
  assert.throws(() => deallocPd(pd), errno('EBUSY', /pd \d+ has 1 user/));
  deregMr(mr);
  deallocPd(pd);
  assert.throws(() => deallocPd(pd), errno('EINVAL', /destroyed/));
  assert.throws(() => regMr(pd, memory(1), { access: 0 }), errno('EINVAL', /pd: pd \d+ is destroyed/));
  assert.throws(() => deallocPd({} as never), errno('EINVAL', /not an object of kind pd/));
  closeContext(context);
  assert.throws(() => allocPd(context), errno('EINVAL', /closed/));
});

test('access: as ib_check_mr_access has it', (t) => {
  const { pd } = new Fixture(t);
  const reg = (access: number) => regMr(pd, memory(8), { access });
  for (const access of [REMOTE_WRITE, REMOTE_ATOMIC, REMOTE_WRITE | REMOTE_READ]) {
    assert.throws(() => reg(access), errno('EINVAL', /LOCAL_WRITE/));
    deregMr(reg(access | LOCAL_WRITE));
  }
  for (const access of [0, REMOTE_READ, MW_BIND, Access.RELAXED_ORDERING, 1 << 29]) deregMr(reg(access));
  for (const access of [1 << 10, 1 << 19, 2 ** 30, 2 ** 31, -1, 0.5, Number.NaN])
    assert.throws(() => reg(access), errno('EINVAL', /access/));
  assert.throws(() => reg(ON_DEMAND), errno('EOPNOTSUPP', /ON_DEMAND/));
});

test('extent: inside the memory, inside the safe integers', (t) => {
  const { pd } = new Fixture(t);
  const mr = regMr(pd, memory(100), { access: 0, offset: 20, iova: 0x1234 });
  assert.deepEqual([mr.length, mr.iova, mr.memory.byteLength], [80, 0x1234, 80]);
  deregMr(mr);
  const bad = fc.constantFrom(-1, 101, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 2 ** 64);
  fc.assert(
    fc.property(bad, fc.constantFrom('offset', 'length'), (value, field) => {
      assert.throws(() => regMr(pd, memory(100), { access: 0, [field]: value }), errno('EINVAL', new RegExp(field)));
    }),
    { seed: 4791 },
  );
  assert.throws(
    () => regMr(pd, memory(100), { access: 0, offset: 50, length: 51 }),
    errno('EINVAL', /length is 51.*0 to 50/),
  );
  for (const iova of [-1, 0.5, 2 ** 53, Number.MAX_SAFE_INTEGER - 99, Number.NaN]) {
    assert.throws(() => regMr(pd, memory(100), { access: 0, iova }), errno('EINVAL', /iova/));
  }
  deregMr(regMr(pd, memory(100), { access: 0, iova: Number.MAX_SAFE_INTEGER - 100 }));
  assert.throws(() => regMr(pd, new ArrayBuffer(8) as never, { access: 0 }), errno('EINVAL', /LocalMemory/));
});

test('zero length: EINVAL where a page begins, as ib_umem_get, which pins no pages then; allowed elsewhere', (t) => {
  const { pd, device } = new Fixture(t);
  for (const iova of [0, 4096, 0x7f0000000000]) {
    assert.throws(() => regMr(pd, memory(8), { access: 0, iova, length: 0 }), errno('EINVAL', /length is 0/));
  }
  const mr = regMr(pd, memory(8), { access: 0, iova: 0x1001, length: 0 });
  assert.ok(device.keys.local(mr.lkey, pd, 0x1001, 0, false));
  assert.ok(!device.keys.local(mr.lkey, pd, 0x1001, 1, false));
});

test('ZERO_BASED: addresses count from 0 whatever iova says', (t) => {
  const { pd } = new Fixture(t);
  assert.equal(regMr(pd, memory(8), { access: ZERO_BASED, iova: 0x5000 }).iova, 0);
});

test('limits: device, context objects, context bytes', (t) => {
  const f = new Fixture(t, {
    attributes: { maxMr: 3, maxMrSize: 1000 },
    open: { limits: { registeredBytes: 100, mr: 2 } },
  });
  const reg = (bytes: number) => regMr(f.pd, memory(bytes), { access: 0 });
  assert.throws(() => reg(1001), errno('EINVAL', /length/));
  assert.throws(() => reg(101), errno('ENOMEM', /bytes registered/));
  const a = reg(60);
  assert.throws(() => reg(41), errno('ENOMEM', /60 bytes/));
  const b = reg(40);
  assert.throws(() => reg(0), errno('ENOMEM', /limit of test is 2/));
  deregMr(b);
  const other = f.open();
  const pd = allocPd(other);
  for (let i = 0; i < 2; i++) regMr(pd, memory(1), { access: 0 });
  assert.throws(() => reg(1), errno('ENOMEM', /device fake0 has room for 3/));
  deregMr(a);
  assert.equal(f.context.registeredBytes, 0);
  reg(40);
});

test('a driver that refuses leaves nothing behind', (t) => {
  const f = new Fixture(t);
  f.driver.broken = 'regMr';
  assert.throws(() => regMr(f.pd, memory(8), { access: 0 }), /broken/);
  f.driver.broken = 'allocMw';
  assert.throws(() => allocMw(f.pd, MwType.TYPE_1), /broken/);
  assert.deepEqual(
    [f.device.keys.size, f.pd.users, f.context.registeredBytes, f.device.counts.mr, f.device.counts.mw],
    [0, 0, 0, 0, 0],
  );
  f.driver.broken = '';
  const mr = regMr(f.pd, memory(8), { access: 0 });
  f.driver.broken = 'deregMr';
  assert.throws(() => deregMr(mr), /broken/);
  assert.equal(mr.destroyed, false);
  assert.ok(f.device.keys.local(mr.lkey, f.pd, 0, 8, false));
  f.driver.broken = '';
});

test('rereg: translation, domain, access, each alone and together', (t) => {
  const f = new Fixture(t);
  const { keys } = f.device;
  const mr = regMr(f.pd, memory(10), { access: 0 });
  const { lkey } = mr;
  const pd2 = allocPd(f.context);
  reregMr(mr, ReregFlags.ACCESS, { access: LOCAL_WRITE });
  assert.ok(keys.local(lkey, f.pd, 0, 10, true));
  reregMr(mr, ReregFlags.PD, { pd: pd2 });
  assert.deepEqual([f.pd.users, pd2.users, mr.pd], [0, 1, pd2]);
  assert.ok(!keys.local(lkey, f.pd, 0, 10, true));
  const bigger = memory(100);
  reregMr(mr, ReregFlags.TRANSLATION, { memory: bigger, iova: 0x2000, length: 90 });
  assert.ok(keys.local(lkey, pd2, 0x2000, 90, true));
  assert.equal(keys.memory, bigger);
  assert.equal(f.context.registeredBytes, 90);
  reregMr(mr, 7, { memory: memory(5), access: REMOTE_READ, pd: f.pd });
  assert.deepEqual([mr.length, mr.iova, mr.access, mr.pd, mr.lkey], [5, 0, REMOTE_READ, f.pd, lkey]);
  assert.deepEqual([f.pd.users, pd2.users, f.context.registeredBytes], [1, 0, 5]);
});

test('rereg: what is refused leaves the region as it was', (t) => {
  const f = new Fixture(t, { open: { limits: { registeredBytes: 50 } } });
  const mr = regMr(f.pd, memory(10), { access: LOCAL_WRITE | MW_BIND });
  const before = { ...mr };
  const foreign = allocPd(f.open());
  const refused: [number, Parameters<typeof reregMr>[2], string][] = [
    [0, {}, 'EINVAL'],
    [8, {}, 'EINVAL'],
    [ReregFlags.ACCESS, {}, 'EINVAL'],
    [ReregFlags.ACCESS, { access: REMOTE_WRITE }, 'EINVAL'],
    [ReregFlags.PD, {}, 'EINVAL'],
    [ReregFlags.PD, { pd: foreign }, 'EINVAL'],
    [ReregFlags.TRANSLATION, {}, 'EINVAL'],
    [ReregFlags.TRANSLATION, { memory: memory(4), length: 5 }, 'EINVAL'],
    [ReregFlags.TRANSLATION, { memory: memory(51) }, 'ENOMEM'],
  ];
  for (const [flags, change, code] of refused) assert.throws(() => reregMr(mr, flags, change), errno(code));
  f.driver.broken = 'reregMr';
  assert.throws(() => reregMr(mr, 7, { memory: memory(5), access: 0, pd: f.pd }), /broken/);
  f.driver.broken = '';
  const mw = allocMw(f.pd, MwType.TYPE_1);
  mw.bind(mr, 0, 0, 1, REMOTE_READ, null);
  assert.throws(() => reregMr(mr, ReregFlags.ACCESS, { access: 0 }), errno('EBUSY'));
  assert.throws(() => deregMr(mr), errno('EBUSY', /mr \d+ has 1 user/));
  deallocMw(mw);
  assert.deepEqual({ ...mr }, before);
});

test('windows: types the device claims', (t) => {
  const f = new Fixture(t, { attributes: { deviceCapFlags: 1 << 23 } });
  allocMw(f.pd, MwType.TYPE_2);
  assert.throws(() => allocMw(f.pd, MwType.TYPE_1), errno('EOPNOTSUPP', /type 1/));
  assert.throws(() => allocMw(f.pd, 3), errno('EINVAL', /1 and 2/));
});

test('bind_mw posts a type 1 bind, checked', (t) => {
  const f = new Fixture(t);
  const qp = f.qp(QpType.UC);
  const mr = regMr(f.pd, memory(100), { access: LOCAL_WRITE | MW_BIND, iova: 0x1000 });
  const mw = allocMw(f.pd, MwType.TYPE_1);
  const good = { mr, addr: 0x1010, length: 16, access: REMOTE_READ | REMOTE_WRITE, flags: SendFlags.SIGNALED, wrId: 7 };
  assert.throws(() => bindMw(qp, mw, good), errno('EINVAL', /state/));
  const all = 0xffffff & ~(1 << 14) & ~(1 << 18);
  const to = (state: number, mask: number, attr = {}) => modifyQp(qp, { state, ...attr }, mask & all);
  to(QpState.INIT, 1 | 16 | 32 | 8, { pkeyIndex: 0, port: 1, accessFlags: 0 });
  to(QpState.RTR, 1 | 128 | 256 | (1 << 20) | (1 << 12), { av: av(), pathMtu: 3, destQpn: 5, rqPsn: 1 });
  to(QpState.RTS, 1 | (1 << 16), { sqPsn: 2 });
  const key = bindMw(qp, mw, good);
  assert.equal(key, nextKey(mw.rkey));
  const [wr] = f.driver.posted;
  assert.deepEqual(
    [wr.opcode, wr.wrId, wr.flags, wr.mw, wr.bindMr, wr.bindAddr, wr.bindLength, wr.bindAccess, wr.bindRkey],
    [WrOpcode.BIND_MW, 7, SendFlags.SIGNALED, mw, mr, 0x1010, 16, 3 << 1, key],
  );
  bindMw(qp, mw, { ...good, length: 0 });
  const plain = regMr(f.pd, memory(1), { access: 0 });
  const readOnly = regMr(f.pd, memory(1), { access: MW_BIND });
  const foreign = regMr(allocPd(f.context), memory(1), { access: MW_BIND });
  const refused: [object, string, RegExp][] = [
    [{ addr: 0x0fff }, 'EINVAL', /addr/],
    [{ length: 101 }, 'EINVAL', /length/],
    [{ addr: Number.NaN }, 'EINVAL', /addr/],
    [{ access: MW_BIND }, 'EINVAL', /access/],
    [{ mr: plain }, 'EINVAL', /MW_BIND/],
    [{ mr: readOnly, addr: 0, length: 1 }, 'EINVAL', /LOCAL_WRITE/],
    [{ mr: foreign }, 'EPERM', /domain/],
    [{ flags: SendFlags.INLINE }, 'EINVAL', /flags/],
  ];
  for (const [change, code, message] of refused)
    assert.throws(() => bindMw(qp, mw, { ...good, ...change }), errno(code, message));
  assert.throws(() => bindMw(qp, allocMw(f.pd, MwType.TYPE_2), good), errno('EINVAL', /type 2/));
  assert.throws(() => bindMw(f.qp(QpType.UD), mw, good), errno('EINVAL', /neither RC nor UC/));
  assert.equal(f.driver.posted.length, 2);
  assert.equal(nextKey(0xabcdefff), 0xabcdef00);
});
