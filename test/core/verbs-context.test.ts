import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Access, EventType, MwType, QpType } from '../../src/core/constants.ts';
import type { AsyncEvent } from '../../src/core/context.ts';
import { ackAsyncEvent, unackedEvents } from '../../src/core/events.ts';
import { gidFromText } from '../../src/core/gid-text.ts';
import { HandleTable } from '../../src/core/handles.ts';
import { listResources, summarizeResources } from '../../src/core/resources.ts';
import {
  allocMw,
  allocPd,
  attachMcast,
  closeContext,
  createAh,
  createCompChannel,
  createCq,
  createQp,
  createSrq,
  deallocPd,
  destroyQp,
  queryDevice,
  regMr,
} from '../../src/core/verbs.ts';
import { av, CAP, errno, memory } from './fake-driver.ts';
import { Fixture } from './fixture.ts';

/** One of everything, in an order that is none of the destroy orders. */
function everything(f: Fixture) {
  const { context, pd } = f;
  const mr = regMr(pd, memory(64), { access: Access.LOCAL_WRITE | Access.MW_BIND, iova: 0x1000 });
  const channel = createCompChannel(context);
  const mw = allocMw(pd, MwType.TYPE_2);
  const cq = createCq(context, 4, channel);
  const srq = createSrq(pd, { maxWr: 4, maxSge: 1, limit: 0 });
  const ah = createAh(pd, av());
  const qp = createQp(pd, { type: QpType.UD, sendCq: cq, recvCq: f.cq, srq, cap: CAP });
  const mcast = attachMcast(qp, gidFromText('ff0e::1'));
  mw.bind(mr, 0, 0, 16, Access.REMOTE_READ, qp);
  return { mr, channel, mw, cq, srq, ah, qp, mcast };
}

test('closing a context destroys users before what they use', (t) => {
  const f = new Fixture(t);
  const made = everything(f);
  f.driver.calls.length = 0;
  closeContext(f.context);
  assert.deepEqual(f.driver.calls, [
    'detachMcast',
    'destroyQp',
    'deallocMw',
    'destroySrq',
    'destroyCq',
    'destroyCq',
    'destroyAh',
    'deregMr',
    'deallocPd',
  ]);
  for (const object of Object.values(made)) assert.ok(object.destroyed, object.kind);
  for (const object of [f.pd, f.cq, made.mr, made.srq, made.channel, made.qp])
    assert.equal(object.users, 0, object.kind);
  assert.equal(f.device.contexts.size, 0);
  assert.equal(f.device.keys.size, 0);
  assert.ok(Object.values(f.device.counts).every((n) => n === 0));
  assert.throws(() => queryDevice(f.context), errno('EINVAL', /closed/));
  assert.throws(() => closeContext(f.context), errno('EINVAL', /closed/));
});

test('a driver that cannot destroy keeps nothing open', (t) => {
  const f = new Fixture(t);
  everything(f);
  f.driver.broken = 'destroyQp';
  assert.throws(
    () => closeContext(f.context),
    (error: AggregateError) => {
      assert.equal(error.errors.length, 1);
      assert.match(error.errors[0].message, /destroyQp is broken/);
      return true;
    },
  );
  assert.equal(f.context.objects.size, 0);
  assert.ok(Object.values(f.device.counts).every((n) => n === 0));
});

test('resources: everything is listed, with whose it is and what it stands on', (t) => {
  const f = new Fixture(t, { open: { owner: 'perftest[12]' } });
  const made = everything(f);
  f.open({ owner: 'idle' });
  const list = listResources(f.device);
  assert.equal(list.length, Object.keys(made).length + 2);
  const of = (object: { handle: number }) => list.find((entry) => entry.handle === object.handle)!;
  for (const [name, object] of Object.entries(made))
    assert.equal(of(object).kind, name === 'channel' ? 'comp_channel' : name);
  assert.ok(list.every((entry) => entry.owner === 'perftest[12]'));
  const qp = of(made.qp);
  assert.deepEqual([qp.id, qp.state, qp.attributes.type, qp.users], [made.qp.qpn, 'RESET', 'UD', 1]);
  assert.deepEqual(
    qp.parents.map((p) => p.kind),
    ['pd', 'cq', 'cq', 'srq'],
  );
  assert.deepEqual(qp.parents[1], { kind: 'cq', handle: made.cq.handle });
  assert.deepEqual([of(made.mr).id, of(made.mr).attributes.length, of(made.mr).users], [made.mr.lkey, 64, 1]);
  assert.deepEqual(
    [of(made.mw).id, of(made.mw).state, of(made.mw).attributes.mr],
    [made.mw.rkey, 'bound', made.mr.handle],
  );
  assert.deepEqual(of(made.mcast).attributes, { gid: 'ff0e::1', qpn: made.qp.qpn, lid: 0 });
  assert.deepEqual(of(made.cq).parents, [{ kind: 'comp_channel', handle: made.channel.handle }]);
  assert.equal(of(made.ah).attributes.dgid, '::ffff:127.0.0.2');
  const { contexts, counts } = summarizeResources(f.device);
  assert.equal(contexts, 2);
  assert.deepEqual(counts, f.device.counts);
  assert.deepEqual([counts.cq, counts.pd, counts.qp, counts.extension], [2, 1, 1, 0]);
});

test('limits of each kind: ENOMEM beyond, and room again after', (t) => {
  const f = new Fixture(t);
  const c = f.open({ limits: { pd: 2, cq: 1, comp_channel: 1, ah: 0, qp: 0, srq: 0, mw: 0 } });
  const pd = allocPd(c);
  const second = allocPd(c);
  assert.throws(() => allocPd(c), errno('ENOMEM', /limit of test is 2 of kind pd/));
  deallocPd(second);
  allocPd(c);
  const cq = createCq(c, 1);
  createCompChannel(c);
  assert.throws(() => createCq(c, 1), errno('ENOMEM'));
  assert.throws(() => createCompChannel(c), errno('ENOMEM'));
  assert.throws(() => createAh(pd, av()), errno('ENOMEM'));
  assert.throws(() => allocMw(pd, 1), errno('ENOMEM'));
  assert.throws(() => createSrq(pd, { maxWr: 1, maxSge: 1, limit: 0 }), errno('ENOMEM'));
  assert.throws(() => createQp(pd, { type: QpType.RC, sendCq: cq, recvCq: cq, cap: CAP }), errno('ENOMEM'));
});

test('the device as a whole has its maxima', (t) => {
  const f = new Fixture(t, { attributes: { maxPd: 2, maxCq: 1, maxQp: 1, maxSrq: 1, maxAh: 1, maxMw: 1 } });
  const c = f.open();
  const pd = allocPd(c);
  assert.throws(() => allocPd(c), errno('ENOMEM', /device fake0 has room for 2 of kind pd/));
  assert.throws(() => createCq(c, 1), errno('ENOMEM'));
  createAh(pd, av());
  assert.throws(() => createAh(f.pd, av()), errno('ENOMEM'));
  const qp = f.qp(QpType.RC);
  assert.throws(() => f.qp(QpType.RC), errno('ENOMEM'));
  destroyQp(qp);
  f.qp(QpType.RC);
});

test('handles: one series, not used again soon, by kind', (t) => {
  const f = new Fixture(t);
  const { handles } = f.context;
  const old = allocPd(f.context);
  assert.equal(handles.find('pd', old.handle), old);
  assert.equal(handles.find('mr', old.handle), undefined);
  deallocPd(old);
  assert.equal(handles.find('pd', old.handle), undefined);
  const mr = regMr(f.pd, memory(1), { access: 0 });
  assert.ok(mr.handle > old.handle);
  assert.deepEqual([handles.count('mr'), handles.ofKind('mr')], [1, [mr]]);
  assert.ok(![...f.context.objects.keys()].includes(0));
});

test('handles start over after the last, past those in use', () => {
  const table = new HandleTable();
  const object = () => ({ kind: 'pd', handle: 0 }) as never;
  const first = table.insert(object());
  (table as unknown as { next: number }).next = 0x7fffffff;
  assert.equal(table.insert(object()), 0x7fffffff);
  assert.equal(table.insert(object()), first + 1);
});

test('asynchronous events: to the owner, or to all; counted, acknowledged', (t) => {
  const f = new Fixture(t);
  const other = f.open();
  const [mine, theirs]: AsyncEvent[][] = [[], []];
  const qp = f.qp(QpType.RC);
  f.device.raise(EventType.QP_FATAL, qp);
  assert.equal(unackedEvents(qp), 0, 'nobody was told');
  f.context.onAsyncEvent = (event) => mine.push(event);
  other.onAsyncEvent = (event) => theirs.push(event);
  f.device.raise(EventType.QP_FATAL, qp);
  f.device.raise(EventType.COMM_EST, qp);
  f.device.raise(EventType.PORT_ERR, null);
  assert.deepEqual(
    mine.map((e) => e.type),
    [EventType.QP_FATAL, EventType.COMM_EST, EventType.PORT_ERR],
  );
  assert.deepEqual(theirs, [{ type: EventType.PORT_ERR, object: null }]);
  assert.equal(unackedEvents(qp), 2);
  ackAsyncEvent(mine[0]);
  for (const event of mine) ackAsyncEvent(event);
  for (const event of mine) ackAsyncEvent(event);
  assert.equal(unackedEvents(qp), 0);
  assert.equal(destroyQp(qp), 2, 'events_reported');
  f.device.raise(EventType.QP_FATAL, qp);
  assert.equal(mine.length, 3, 'nothing about what is destroyed');
});

test('a handler that throws harms neither the others nor the driver', async (t) => {
  const f = new Fixture(t);
  const other = f.open();
  let told = 0;
  f.context.onAsyncEvent = () => {
    throw new Error('careless');
  };
  other.onAsyncEvent = () => told++;
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  const thrown = new Promise<Error>((resolve) => process.once('uncaughtException', resolve));
  f.device.raise(EventType.PORT_ERR, null);
  assert.equal(told, 1);
  assert.match((await thrown).message, /careless/);
  for (const listener of listeners) process.on('uncaughtException', listener);
});
