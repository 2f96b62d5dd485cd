import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Access, MwType, QpType } from '../../src/core/constants.ts';
import { LocalMemory, MemorySlice, sliceMemory } from '../../src/core/memory.ts';
import { allocMw, allocPd, deallocMw, deregMr, destroyQp, regMr } from '../../src/core/verbs.ts';
import { memory } from './fake-driver.ts';
import { Fixture } from './fixture.ts';

const { LOCAL_WRITE, REMOTE_WRITE, REMOTE_READ, REMOTE_ATOMIC, MW_BIND } = Access;

test('keys are random: no two alike, not in sequence, all 32 bits used', (t) => {
  const f = new Fixture(t, { attributes: { maxMr: 1000 } });
  const keys = Array.from({ length: 500 }, () => regMr(f.pd, memory(64), { access: 0 }).lkey);
  assert.equal(new Set(keys).size, 500);
  assert.equal(new Set(keys.map((key) => key >>> 8)).size, 500, 'the upper 24 bits are what is unique');
  const steps = new Set(keys.slice(1).map((key, i) => key - keys[i]));
  assert.ok(steps.size > 490, 'the difference of two keys says nothing of the next');
  const ones = Array.from({ length: 32 }, (_, bit) => keys.filter((key) => (key >>> bit) & 1).length);
  for (const n of ones) assert.ok(n > 170 && n < 330, `bits set of 500: ${ones}`);
  for (const key of keys) assert.ok(key > 255 && key <= 0xffffffff);
});

test('local access: the key exactly, the domain, the right', (t) => {
  const f = new Fixture(t);
  const { keys } = f.device;
  const ro = regMr(f.pd, memory(100), { iova: 0x1000, access: 0 });
  const rw = regMr(f.pd, memory(100), { iova: 0x1000, access: LOCAL_WRITE });
  assert.ok(keys.local(ro.lkey, f.pd, 0x1000, 100, false));
  assert.equal(keys.memory, ro.memory);
  assert.equal(keys.region, ro);
  assert.ok(keys.local(rw.lkey, f.pd, 0x1001, 99, true));
  assert.equal(keys.offset, 1);
  assert.ok(!keys.local(ro.lkey, f.pd, 0x1000, 1, true), 'writing without LOCAL_WRITE');
  assert.ok(!keys.local(ro.lkey, allocPd(f.context), 0x1000, 1, false), 'another domain');
  assert.ok(!keys.local(ro.lkey ^ 1, f.pd, 0x1000, 1, false), 'a key of the same index');
  assert.ok(!keys.local(ro.lkey ^ 0x100, f.pd, 0x1000, 1, false), 'another index');
  assert.ok(!keys.local(0, f.pd, 0x1000, 1, false));
  deregMr(ro);
  assert.equal(keys.memory, null, 'what is deregistered is not kept alive');
  assert.ok(!keys.local(ro.lkey, f.pd, 0x1000, 1, false));
});

test('C10-56, C10-57: remote access needs the right that the operation needs, in the QP domain', (t) => {
  const f = new Fixture(t);
  const { keys } = f.device;
  const qp = f.qp(QpType.RC);
  const rights = [REMOTE_READ, REMOTE_WRITE, REMOTE_ATOMIC];
  for (const granted of rights) {
    const mr = regMr(f.pd, memory(64), { access: granted | LOCAL_WRITE });
    for (const wanted of rights) assert.equal(keys.remote(mr.rkey, qp, 0, 64, wanted), granted === wanted);
    const foreign = f.qp(QpType.RC, allocPd(f.context));
    assert.ok(!keys.remote(mr.rkey, foreign, 0, 64, granted), 'a QP of another domain');
    assert.ok(!keys.remote(mr.rkey ^ 0x80, qp, 0, 64, granted));
  }
});

test('no address or length gets past the bounds', (t) => {
  const f = new Fixture(t);
  const { keys } = f.device;
  const qp = f.qp(QpType.RC);
  const iova = 0x7f0000001000;
  const size = 4096;
  const mr = regMr(f.pd, memory(size), { iova, access: LOCAL_WRITE | REMOTE_WRITE });
  const odd = [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    -0,
    0,
    1,
    -1,
    0.5,
    iova + 0.5,
    1e300,
    -1e300,
    2 ** 53,
    2 ** 53 - 1,
    -(2 ** 53),
    2 ** 64,
    2 ** 64 - iova,
    -iova,
    iova - 1,
    iova,
    iova + 1,
    iova + size - 1,
    iova + size,
    iova + size + 1,
    size,
    size + 1,
    size - 1,
    2 ** 32,
    2 ** 31,
    undefined as unknown as number,
    null as unknown as number,
    '4096' as unknown as number,
    4096n as unknown as number,
  ];
  const any = fc.oneof(
    fc.constantFrom(...odd),
    fc.double(),
    fc.integer({ min: -1, max: size + 1 }).map((n) => iova + n),
    fc.nat(size + 1),
    fc.maxSafeInteger(),
  );
  fc.assert(
    fc.property(any, any, (addr, length) => {
      const inside =
        Number.isSafeInteger(addr) &&
        Number.isSafeInteger(length) &&
        length >= 0 &&
        BigInt(addr) >= BigInt(iova) &&
        BigInt(addr) + BigInt(length) <= BigInt(iova) + BigInt(size);
      assert.equal(keys.local(mr.lkey, f.pd, addr, length, true), inside);
      assert.equal(keys.remote(mr.rkey, qp, addr, length, REMOTE_WRITE), inside);
      if (inside) assert.ok(keys.offset >= 0 && keys.offset + length <= size);
    }),
    { seed: 4791, numRuns: 20000 },
  );
});

test('at the top of the address space nothing wraps or rounds into a region', (t) => {
  const f = new Fixture(t);
  const iova = Number.MAX_SAFE_INTEGER - 64;
  const mr = regMr(f.pd, memory(64), { iova, access: 0 });
  const local = (addr: number, length: number): boolean => f.device.keys.local(mr.lkey, f.pd, addr, length, false);
  assert.ok(local(iova, 64));
  assert.ok(!local(iova, 65));
  assert.ok(!local(iova + 65, 0) || iova + 65 > Number.MAX_SAFE_INTEGER);
  assert.ok(!local(2 ** 53, 0));
  assert.ok(!local(2 ** 53 + 2, 0));
});

test('memory windows: bound or not, their part, their rights, their QP', (t) => {
  const f = new Fixture(t);
  const { keys } = f.device;
  const qp = f.qp(QpType.RC);
  const other = f.qp(QpType.RC);
  const mr = regMr(f.pd, memory(1000), { iova: 5000, access: LOCAL_WRITE | MW_BIND });
  const one = allocMw(f.pd, MwType.TYPE_1);
  const two = allocMw(f.pd, MwType.TYPE_2);
  assert.ok(!keys.remote(one.rkey, qp, 0, 0, REMOTE_READ), 'not bound');
  one.bind(mr, 100, 5100, 50, REMOTE_READ, null);
  two.bind(mr, 200, 0, 10, REMOTE_WRITE, qp);
  assert.equal(mr.users, 2);
  assert.ok(keys.remote(one.rkey, qp, 5100, 50, REMOTE_READ));
  assert.deepEqual([keys.memory, keys.offset, keys.region], [mr.memory, 100, mr]);
  assert.ok(keys.remote(one.rkey, other, 5149, 1, REMOTE_READ), 'type 1: any QP of the domain');
  assert.ok(!keys.remote(one.rkey, qp, 5100, 51, REMOTE_READ));
  assert.ok(!keys.remote(one.rkey, qp, 5099, 1, REMOTE_READ));
  assert.ok(!keys.remote(one.rkey, qp, 5100, 1, REMOTE_WRITE));
  assert.ok(keys.remote(two.rkey, qp, 9, 1, REMOTE_WRITE));
  assert.equal(keys.offset, 209);
  assert.ok(!keys.remote(two.rkey, other, 9, 1, REMOTE_WRITE), 'o10-37.2.43: type 2, another QP');
  assert.ok(!keys.remote(mr.rkey, qp, 5000, 1, REMOTE_READ), 'the region itself grants nothing');
  assert.ok(!keys.local(one.rkey, f.pd, 5100, 1, false), 'a window is no local key');
  one.unbind();
  assert.equal(mr.users, 1);
  assert.ok(!keys.remote(one.rkey, qp, 5100, 1, REMOTE_READ));
  destroyQp(qp);
  assert.deepEqual([two.mr, two.qp, mr.users], [null, null, 0], 'the QP of a type 2 window went');
  two.bind(mr, 0, 0, 10, REMOTE_WRITE, other);
  deallocMw(two);
  assert.equal(mr.users, 0);
  assert.ok(!keys.remote(two.rkey, other, 0, 1, REMOTE_WRITE));
});

test('rebinding a window to its own region leaves one user', (t) => {
  const f = new Fixture(t);
  const mr = regMr(f.pd, memory(10), { access: LOCAL_WRITE | MW_BIND });
  const mw = allocMw(f.pd, MwType.TYPE_1);
  mw.bind(mr, 0, 0, 10, REMOTE_READ, null);
  mw.bind(mr, 5, 5, 5, REMOTE_READ, null);
  assert.equal(mr.users, 1);
});

test('local memory and slices of it', () => {
  const bytes = Uint8Array.from({ length: 16 }, (_, i) => i);
  const whole = new LocalMemory(bytes);
  const part = sliceMemory(whole, 4, 8);
  const generic = new MemorySlice(whole, 4, 8);
  assert.equal(sliceMemory(whole, 0, 4), whole);
  for (const memory of [part, generic]) {
    const out = Buffer.alloc(3);
    assert.equal(memory.byteLength, 8);
    assert.ok(memory.read(1, out, 0, 3));
    assert.deepEqual([...out], [5, 6, 7]);
    assert.ok(memory.write(7, Buffer.from([99]), 0, 1));
    assert.equal(bytes[11], 99);
  }
  const buffer = new ArrayBuffer(64);
  const gone = new LocalMemory(buffer);
  structuredClone(buffer, { transfer: [buffer] });
  assert.equal(gone.read(8, Buffer.alloc(8), 0, 8), false, 'a detached buffer');
  assert.equal(gone.write(8, Buffer.alloc(8), 0, 8), false);
});
