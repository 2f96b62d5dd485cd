// PSM2 and PSM by their extensions: names and numbers, and what becomes of objects.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Access } from '../../../src/core/constants.ts';
import type { Context } from '../../../src/core/context.ts';
import { DRIVER_NAMESPACE } from '../../../src/core/extension-attrs.ts';
import { LocalMemory } from '../../../src/core/memory.ts';
import { allocPd, closeContext, deregMr, openContext, regMr } from '../../../src/core/verbs.ts';
import { HFI1_UDP_PORT, Hfi1 } from '../../../src/drivers/hfi1/driver.ts';
import type { LidDevice } from '../../../src/drivers/lid/device.ts';
import { psm, psm2 } from '../../../src/drivers/psm/extension.ts';
import { QIB_UDP_PORT, Qib } from '../../../src/drivers/qib/driver.ts';
import { Simulation } from '../../../src/link/sim.ts';
import { bytesOf, JOB, room } from './world.ts';

function fabric(Driver: typeof Hfi1 | typeof Qib, udpPort: number) {
  const sim = new Simulation({ latencyUs: 2 });
  const devices: LidDevice[] = ['10.0.0.1', '10.0.0.2'].map(
    (address) => new Driver({ link: sim.node(address, { port: udpPort }), clock: sim.clock }),
  );
  const contexts: Context[] = devices.map(({ device }) => openContext(device, { owner: 'rank', contextClass: 'user' }));
  const until = (done: () => boolean): void => {
    for (let i = 0; !done(); i++) {
      if (i > 100_000) throw new Error('it does not end');
      for (const { engine } of devices) engine.progress();
      sim.run(sim.now + 2);
    }
  };
  const close = (): void => {
    for (const context of contexts) if (!context.closed) closeContext(context);
    for (const device of devices) device.close();
  };
  return { devices, contexts, until, close };
}

for (const [extension, Driver, port, words] of [
  [psm2, Hfi1, HFI1_UDP_PORT, 3],
  [psm, Qib, QIB_UDP_PORT, 2],
] as const) {
  test(`${extension.name}: endpoints, connection, messages, active messages, all by its methods`, () => {
    const { contexts, until, close } = fabric(Driver, port);
    const ends = contexts.map((context) => {
      const pd = allocPd(context);
      const bytes = room(50_000);
      const mr = regMr(pd, new LocalMemory(bytes), { access: Access.LOCAL_WRITE, iova: 0x1000 });
      return { context, pd, bytes, mr, ...extension.method(context, 'open', { pd, uuid: JOB }) };
    });
    const [a, b] = ends;
    const progress = (): void => {
      for (const { context, endpoint } of ends) extension.method(context, 'progress', { endpoint });
    };
    const { connection } = extension.method(a.context, 'connect', { endpoint: a.endpoint, epid: b.epid });
    until(() => {
      progress();
      return extension.method(a.context, 'state', { connection }).state === 1;
    });
    bytesOf(1, 50_000).copy(a.bytes);
    const tag = Buffer.alloc(4 * words, 0x11);
    const probe = { endpoint: b.endpoint, tag, select: Buffer.alloc(4 * words, 0xff) };
    for (const length of [100, 50_000]) {
      b.bytes.fill(0);
      const part = { offset: 0, length, tag };
      const sent = extension.method(a.context, 'isend', {
        ...part,
        endpoint: a.endpoint,
        connection,
        mr: a.mr,
      }).request;
      until(() => extension.method(b.context, 'iprobe', probe).found === 1);
      const got = extension.method(b.context, 'irecv', { ...probe, ...part, mr: b.mr }).request;
      until(() => {
        progress();
        return extension.method(b.context, 'test', { request: got }).done === 1;
      });
      const { status, source, messageLength, tag: with_ } = extension.method(b.context, 'test', { request: got });
      assert.deepEqual([status, source, messageLength, Buffer.from(with_).equals(tag)], [0, a.epid, length, true]);
      assert.ok(b.bytes.subarray(0, length).equals(a.bytes.subarray(0, length)));
      until(() => extension.method(a.context, 'test', { request: sent }).done === 1);
      extension.method(b.context, 'requestFree', { request: got });
      extension.method(a.context, 'requestFree', { request: sent.handle });
    }
    const args = Buffer.alloc(16, 5);
    extension.method(a.context, 'active', {
      endpoint: a.endpoint,
      connection,
      handler: 9,
      args,
      data: Buffer.from('hi'),
    });
    let active = extension.method(b.context, 'activePoll', { endpoint: b.endpoint });
    until(() => {
      progress();
      if (active.found === 0) active = extension.method(b.context, 'activePoll', { endpoint: b.endpoint });
      return active.found === 1;
    });
    assert.deepEqual([active.source, active.handler, Buffer.from(active.data).toString()], [a.epid, 9, 'hi']);
    assert.ok(args.equals(active.args));
    close();
  });
}

test('lifetimes: an endpoint stands on its domain, a request on its endpoint; all goes with the context', () => {
  const { contexts, devices, close } = fabric(Hfi1, HFI1_UDP_PORT);
  const [context] = contexts;
  const pd = allocPd(context);
  const mr = regMr(pd, new LocalMemory(room(64)), { access: Access.LOCAL_WRITE, iova: 0x1000 });
  const { endpoint } = psm2.method(context, 'open', { pd, uuid: JOB });
  const any = Buffer.alloc(12);
  const { request } = psm2.method(context, 'irecv', { endpoint, mr, offset: 0, length: 64, tag: any, select: any });
  assert.throws(() => psm2.method(context, 'close', { endpoint }), { code: 'EBUSY' });
  assert.throws(() => deregMr(mr), { code: 'EBUSY' });
  assert.throws(() => psm2.method(contexts[1], 'test', { request: request.handle }), { code: 'ENOENT' });
  assert.equal(psm2.method(context, 'cancel', { request }).cancelled, 1);
  assert.equal(psm2.method(context, 'test', { request }).status, 2);
  closeContext(context);
  assert.equal(devices[0].device.counts.qp, 0);
  assert.equal(devices[0].device.counts.extension, 0);
  assert.equal(devices[0].engine.qps.size, 0);
  close();
});

test('a context that closes in the middle of a send leaves nothing behind', () => {
  const { contexts, devices, close } = fabric(Hfi1, HFI1_UDP_PORT);
  const [context] = contexts;
  const pd = allocPd(context);
  const mr = regMr(pd, new LocalMemory(room(50_000)), { access: Access.LOCAL_WRITE, iova: 0x1000 });
  const { endpoint } = psm2.method(context, 'open', { pd, uuid: JOB });
  const { connection } = psm2.method(context, 'connect', { endpoint, epid: 2 * 2 ** 24 + 77 });
  for (const length of [10, 50_000]) {
    const { request } = psm2.method(context, 'isend', {
      endpoint,
      connection,
      mr,
      offset: 0,
      length,
      tag: Buffer.alloc(12),
    });
    if (length === 10) psm2.method(context, 'requestFree', { request });
  }
  assert.throws(() => deregMr(mr), { code: 'EBUSY' });
  closeContext(context);
  for (const [kind, count] of Object.entries(devices[0].device.counts)) assert.equal(count, 0, kind);
  close();
});

test('by numbers, as a program calls it: open, and its epid', () => {
  const { contexts, devices, close } = fabric(Hfi1, HFI1_UDP_PORT);
  const [context] = contexts;
  const pd = allocPd(context);
  const none = new Uint8Array(0);
  const attr = (id: number, data: Uint8Array, value = 0) => ({
    id: id + DRIVER_NAMESPACE,
    mandatory: true,
    data,
    value,
    written: 0,
  });
  const [made, epid] = [attr(2, none), attr(3, Buffer.alloc(8))];
  psm2.raw(context, DRIVER_NAMESPACE, DRIVER_NAMESPACE, [attr(0, none, pd.handle), attr(1, JOB), made, epid]);
  assert.equal(Number((epid.data as Buffer).readBigUInt64LE() >> 24n), devices[0].port.lid);
  assert.equal(context.handles.find('extension', made.value)?.type.name, 'endpoint');
  assert.throws(
    () => psm.method(context, 'open', { pd, uuid: JOB }),
    { code: 'EPROTONOSUPPORT' },
    'hfi1 has PSM2 only',
  );
  close();
});
