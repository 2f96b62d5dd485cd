import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QpType } from '../../src/core/constants.ts';
import { VerbsError } from '../../src/core/errors.ts';
import { defineExtension, method } from '../../src/core/extension.ts';
import {
  big64,
  bytes,
  DRIVER_NAMESPACE,
  fd,
  made,
  object,
  objectType,
  optional,
  own,
  u8,
  u16,
  u32,
  u64,
} from '../../src/core/extension-attrs.ts';
import { standOn } from '../../src/core/extension-call.ts';
import type { ExtensionObject } from '../../src/core/extension-object.ts';
import type { RawAttr } from '../../src/core/extension-raw.ts';
import { listResources } from '../../src/core/resources.ts';
import { closeContext, destroyQp } from '../../src/core/verbs.ts';
import { errno } from './fake-driver.ts';
import { Fixture, type FixtureOptions } from './fixture.ts';

// The example: a driver's counter, which counts up to a limit.
interface Counter {
  value: number;
  readonly limit: number;
}
const gone: number[] = [];
let busy = false;
const counterType = objectType<Counter>('counter', 0, ({ state }) => {
  if (busy) throw new VerbsError('counter', 'EBUSY', 'the hardware still counts');
  gone.push(state?.value ?? -1);
});
const otherType = objectType<null>('other', 1, () => {});

const counters = defineExtension('counters', {
  create: method(
    counterType,
    0,
    { counter: made(0, counterType), limit: u32(1, 'in'), qp: optional(object(2, 'qp')) },
    ({ args }) => {
      if (args.limit === 0) throw new VerbsError('create', 'EINVAL', 'limit is 0');
      args.counter.state = { value: 0, limit: args.limit };
      if (args.qp) standOn(args.counter, args.qp);
      return {};
    },
  ),
  add: method(
    counterType,
    1,
    { counter: own(0, counterType, 'write'), by: u8(1, 'in'), value: u64(2, 'out') },
    ({ args }) => {
      const state = args.counter.state!;
      state.value = Math.min(state.value + args.by, state.limit);
      return { value: state.value };
    },
  ),
  read: method(
    counterType,
    2,
    { counter: own(0, counterType), value: u64(1, 'out'), name: optional(bytes(2, 'out', 1, 16)) },
    ({ args }) => ({
      value: args.counter.state!.value,
      name: Buffer.from(`counter ${args.counter.handle}`),
    }),
  ),
  destroy: method(counterType, 3, { counter: own(0, counterType, 'destroy'), last: u64(1, 'out') }, ({ args }) => ({
    last: args.counter.state!.value,
  })),
  everything: method(
    otherType,
    0,
    {
      a: u8(0, 'in'),
      b: u16(1, 'in'),
      c: u32(2, 'in'),
      d: u64(3, 'in'),
      e: big64(4, 'in'),
      f: bytes(5, 'in', 4),
      g: bytes(6, 'in', 2, 8),
      h: fd(7),
      sum: big64(8, 'out'),
    },
    ({ args: { a, b, c, d, e, f, g, h } }) => ({ sum: BigInt(a + b + c + d + h + f.length + g.length) + e }),
  ),
  makeOther: method(otherType, 1, { other: made(0, otherType) }, () => ({})),
  wrong: method(otherType, 2, { counter: made(0, counterType), n: u8(1, 'out') }, ({ args }) => {
    args.counter.state = { value: 42, limit: 0 };
    return { n: 256 };
  }),
});

class Ext extends Fixture {
  constructor(t: ConstructorParameters<typeof Fixture>[0], options: FixtureOptions = {}) {
    super(t, { ...options, device: { extensions: [counters] } });
    gone.length = 0;
    busy = false;
  }
  create(limit = 10): ExtensionObject<Counter> {
    return counters.method(this.context, 'create', { limit }).counter;
  }
}

test('create, add, read, destroy', (t) => {
  const f = new Ext(t);
  const counter = f.create(10);
  assert.deepEqual(counters.method(f.context, 'add', { counter, by: 7 }), { value: 7 });
  assert.equal(counters.method(f.context, 'add', { counter: counter.handle, by: 7 }).value, 10);
  const { value, name } = counters.method(f.context, 'read', { counter });
  assert.deepEqual([value, Buffer.from(name!).toString()], [10, `counter ${counter.handle}`]);
  const [entry] = listResources(f.device).filter((r) => r.kind === 'extension');
  assert.deepEqual([entry.handle, entry.attributes.type, entry.owner], [counter.handle, 'counter', 'test']);
  assert.deepEqual(counters.method(f.context, 'destroy', { counter }), { last: 10 });
  assert.deepEqual(gone, [10]);
  assert.ok(counter.destroyed);
  assert.throws(() => counters.method(f.context, 'read', { counter }), errno('EINVAL', /destroyed/));
  assert.throws(() => counters.method(f.context, 'read', { counter: counter.handle }), errno('ENOENT'));
});

test('types: what the compiler refuses is refused at run time too', (t) => {
  const f = new Ext(t);
  const { context } = f;
  const calls: [() => unknown, string, RegExp][] = [
    // @ts-expect-error limit is missing
    [() => counters.method(context, 'create', {}), 'EINVAL', /limit is not given/],
    // @ts-expect-error limit is a number
    [() => counters.method(context, 'create', { limit: '4' }), 'EINVAL', /limit/],
    // @ts-expect-error no such attribute
    [() => counters.method(context, 'create', { limit: 4, a: 4 }), 'EPROTONOSUPPORT', /no input a/],
    // @ts-expect-error outputs are not given
    [() => counters.method(context, 'read', { counter: 1, value: 1 }), 'EPROTONOSUPPORT', /no input value/],
    // (A method without inputs takes any object, to the compiler.)
    [() => counters.method(context, 'makeOther', { other: 1 }), 'EPROTONOSUPPORT', /no input other/],
    // @ts-expect-error no such method
    [() => counters.method(context, 'reset', {}), 'EPROTONOSUPPORT', /no method reset/],
    // @ts-expect-error no such method either
    [() => counters.method(context, 'toString', {}), 'EPROTONOSUPPORT', /no method/],
  ];
  for (const [call, code, message] of calls) assert.throws(call, errno(code, message));
  const { last } = counters.method(context, 'destroy', { counter: f.create() });
  const typed: number = last;
  assert.equal(typed, 0);
});

test('a device without the extension has none of its methods', (t) => {
  const f = new Fixture(t);
  assert.throws(
    () => counters.method(f.context, 'create', { limit: 1 }),
    errno('EPROTONOSUPPORT', /no extension counters/),
  );
});

test('foreign objects: another context, another kind, another type, no object', (t) => {
  const f = new Ext(t);
  const counter = f.create();
  const read = (it: unknown, context = f.context) => counters.method(context, 'read', { counter: it as number });
  const other = f.open();
  assert.throws(() => read(counter, other), errno('EINVAL', /another context/));
  assert.throws(() => read(counter.handle, other), errno('ENOENT'), 'handles are a context its own');
  assert.throws(() => read(f.pd), errno('EINVAL', /kind pd/));
  assert.throws(() => read(f.pd.handle), errno('EINVAL', /kind pd/));
  assert.throws(
    () => read(counters.method(f.context, 'makeOther', {}).other),
    errno('EINVAL', /is a other, not a counter/),
  );
  for (const nothing of [0, -1, 1.5, Number.NaN, 2 ** 40]) assert.throws(() => read(nothing), errno('ENOENT'));
  assert.throws(() => read('x'), errno('EINVAL', /neither/));
});

test('values: every type, at and beyond its ends', (t) => {
  const f = new Ext(t);
  const good = {
    a: 0xff,
    b: 0xffff,
    c: 0xffffffff,
    d: Number.MAX_SAFE_INTEGER,
    e: (1n << 64n) - 1n,
    f: Buffer.alloc(4),
    g: Buffer.alloc(8),
    h: 0,
  };
  const call = (change: object) => counters.method(f.context, 'everything', { ...good, ...change } as typeof good);
  const small = { a: 1, b: 2, c: 3, d: 4, e: 5 };
  assert.equal(call(small).sum, 1n + 2n + 3n + 4n + 5n + 12n);
  const bad: [object, string][] = [
    [{ a: 256 }, 'EINVAL'],
    [{ a: -1 }, 'EINVAL'],
    [{ b: 65536 }, 'EINVAL'],
    [{ c: 2 ** 32 }, 'EINVAL'],
    [{ c: 0.5 }, 'EINVAL'],
    [{ d: 2 ** 53 }, 'EINVAL'],
    [{ d: Number.NaN }, 'EINVAL'],
    [{ e: 1n << 64n }, 'EINVAL'],
    [{ e: -1n }, 'EINVAL'],
    [{ f: Buffer.alloc(3) }, 'EINVAL'],
    [{ f: Buffer.alloc(5) }, 'EINVAL'],
    [{ f: [1, 2, 3, 4] }, 'EINVAL'],
    [{ g: Buffer.alloc(1) }, 'EINVAL'],
    [{ g: Buffer.alloc(9) }, 'EINVAL'],
    [{ h: -1 }, 'EBADF'],
    [{ h: 1.5 }, 'EBADF'],
  ];
  for (const [change, code] of bad) assert.throws(() => call(change), errno(code, new RegExp(Object.keys(change)[0])));
});

test('lifetime: with its context, after its users, and not by force', (t) => {
  const f = new Ext(t);
  const qp = f.qp(QpType.RC);
  counters.method(f.context, 'create', { limit: 3, qp });
  assert.equal(qp.users, 1);
  assert.throws(() => destroyQp(qp), errno('EBUSY'));
  const second = f.create();
  counters.method(f.context, 'add', { counter: second, by: 2 });
  busy = true;
  assert.throws(() => counters.method(f.context, 'destroy', { counter: second }), errno('EBUSY', /hardware/));
  assert.deepEqual([second.destroyed, second.users], [false, 0]);
  busy = false;
  f.driver.calls.length = 0;
  closeContext(f.context);
  assert.deepEqual(gone, [2, 0], 'the youngest first');
  assert.deepEqual([qp.users, f.driver.calls[0]], [0, 'destroyQp']);
  assert.throws(() => counters.method(f.context, 'create', { limit: 1 }), errno('EINVAL', /closed/));
});

test('a method that fails makes nothing; one that returns what it did not declare is undone', (t) => {
  const f = new Ext(t, { open: { limits: { extension: 1 } } });
  assert.throws(() => f.create(0), errno('EINVAL', /limit is 0/));
  assert.throws(() => counters.method(f.context, 'wrong', {}), errno('EINVAL', /n is 256/));
  assert.deepEqual(gone, [42]);
  assert.equal(f.device.counts.extension, 0);
  f.create();
  assert.throws(() => f.create(), errno('ENOMEM', /limit/));
});

test('objects are held during a call', (t) => {
  let inside: (it: ExtensionObject<null>) => object = () => ({});
  const type = objectType<null>('thing', 0, () => {});
  const ext = defineExtension('held', {
    make: method(type, 0, { it: made(0, type) }, () => ({})),
    read: method(type, 1, { it: own(0, type) }, ({ args }) => inside(args.it)),
    write: method(type, 2, { it: own(0, type, 'write') }, ({ args }) => inside(args.it)),
    end: method(type, 3, { it: own(0, type, 'destroy') }, () => ({})),
    withQp: method(type, 4, { qp: object(0, 'qp'), it: own(1, type) }, ({ args }) => {
      destroyQp(args.qp);
      return {};
    }),
  });
  const f = new Fixture(t, { device: { extensions: [ext] } });
  const { context } = f;
  const { it } = ext.method(context, 'make', {});
  const during = (name: 'read' | 'write', action: () => void): void => {
    inside = () => {
      inside = () => ({});
      action();
      return {};
    };
    ext.method(context, name, { it });
  };
  during('read', () => ext.method(context, 'read', { it }));
  during('read', () => assert.throws(() => ext.method(context, 'write', { it }), errno('EBUSY', /another call/)));
  during('write', () => assert.throws(() => ext.method(context, 'read', { it }), errno('EBUSY')));
  during('read', () => assert.throws(() => ext.method(context, 'end', { it }), errno('EBUSY')));
  const qp = f.qp(QpType.RC);
  assert.throws(() => ext.method(context, 'withQp', { qp, it }), errno('EBUSY'));
  assert.deepEqual([qp.users, it.users], [0, 0]);
  ext.method(context, 'end', { it });
});

const NS = DRIVER_NAMESPACE;
const raw = (id: number, data: number[] | number, value = 0, mandatory = true): RawAttr => ({
  id: NS + id,
  mandatory,
  data: typeof data === 'number' ? new Uint8Array(data) : Uint8Array.from(data),
  value,
  written: 0,
});

test('by numbers and bytes, as a program calls it', (t) => {
  const f = new Ext(t);
  const { context } = f;
  const handle = raw(0, []);
  counters.raw(context, NS, NS, [handle, raw(1, [10, 0, 0, 0])]);
  assert.equal(context.handles.find('extension', handle.value)?.type, counterType);
  const value = raw(2, 8);
  counters.raw(context, NS, NS + 1, [raw(0, [], handle.value), raw(1, [7]), value]);
  assert.deepEqual([[...value.data], value.written], [[7, 0, 0, 0, 0, 0, 0, 0], 8]);
  const name = raw(2, 16);
  counters.raw(context, NS, NS + 2, [raw(0, [], handle.value), raw(1, 8), name, raw(77, [1], 0, false)]);
  assert.equal(Buffer.from(name.data).toString('latin1', 0, name.written), `counter ${handle.value}`);
  const e = (id: number, ...data: number[]): RawAttr => raw(id, data);
  const sum = raw(8, 8);
  counters.raw(context, NS + 1, NS, [
    e(0, 1),
    e(1, 2, 0),
    e(2, 3, 0, 0, 0),
    e(3, 4, 0, 0, 0, 0, 0, 0, 0),
    e(4, 5, 0, 0, 0, 0, 0, 0, 0),
    e(5, 0, 0, 0, 0),
    e(6, 0, 0),
    raw(7, [], 9),
    sum,
  ]);
  assert.equal(sum.data[0], 1 + 2 + 3 + 4 + 5 + 4 + 2 + 9);
  counters.raw(context, NS, NS + 3, [raw(0, [], handle.value), raw(1, 8)]);
  assert.deepEqual(gone, [7]);
});

test('by numbers: what uverbs refuses', (t) => {
  const f = new Ext(t);
  const counter = f.create();
  const add = (...attrs: RawAttr[]) => counters.raw(f.context, NS, NS + 1, attrs);
  const [ref, by, out] = [raw(0, [], counter.handle), raw(1, [1]), raw(2, 8)];
  add(ref, by, out);
  const refused: [RawAttr[], string, RegExp][] = [
    [[ref, by], 'EINVAL', /value is not given/],
    [[by, out], 'EINVAL', /counter is not given/],
    [[ref, by, by, out], 'EINVAL', /by is given twice/],
    [[ref, raw(1, [1, 2]), out], 'EINVAL', /by has 2 bytes/],
    [[ref, raw(1, []), out], 'EINVAL', /by has 0 bytes/],
    [[ref, by, raw(2, 4)], 'EINVAL', /value has 4 bytes/],
    [[raw(0, [1], counter.handle), by, out], 'EINVAL', /reference/],
    [[raw(0, [], 9999), by, out], 'ENOENT', /9999/],
    [[raw(0, [], f.pd.handle), by, out], 'EINVAL', /kind pd/],
    [[ref, by, out, raw(9, [])], 'EPROTONOSUPPORT', /0x1009/],
  ];
  for (const [attrs, code, message] of refused) assert.throws(() => add(...attrs), errno(code, message));
  for (const [o, m] of [
    [NS, NS + 99],
    [NS + 99, NS],
    [0, 0],
  ]) {
    assert.throws(() => counters.raw(f.context, o, m, []), errno('EPROTONOSUPPORT', /no method/));
  }
  const small = raw(2, 8);
  assert.throws(
    () => counters.raw(f.context, NS, NS + 2, [ref, raw(1, 8), small]),
    errno('EINVAL', /room for 8 bytes; 16/),
  );
  assert.equal(counter.state!.value, 1);
});

test('a driver that declares an id twice is told so', () => {
  const make = (a: number, b: number) =>
    defineExtension('x', { m: method(otherType, 0, { a: u8(a, 'in'), b: u8(b, 'in') }, () => ({})) });
  make(0, 1);
  assert.throws(() => make(1, 1), /two attributes have one id/);
  assert.throws(() => make(0, NS), /ids are 0 to 4095/);
  const one = method(otherType, 0, {}, () => ({}));
  assert.throws(() => defineExtension('x', { one, two: one }), /another method/);
});
