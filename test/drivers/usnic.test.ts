// usnic: plain UDP, its own object type, the core's keys and rights; and nothing that it has not.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CaptureFile } from '../../src/api/capture-file.ts';
import { DRIVERS, runConformance, simulatedPair } from '../../src/conformance/index.ts';
import { Access, QpType } from '../../src/core/constants.ts';
import { DRIVER_NAMESPACE } from '../../src/core/extension-attrs.ts';
import { LocalMemory } from '../../src/core/memory.ts';
import * as verbs from '../../src/core/verbs.ts';
import { ReliableChannel } from '../../src/drivers/usnic/channel.ts';
import { type Datagram, Endpoint } from '../../src/drivers/usnic/endpoint.ts';
import { INFO_BYTES, usnic } from '../../src/drivers/usnic/extension.ts';
import { COMP, DESC, STATUS } from '../../src/drivers/usnic/rings.ts';
import type { Vnic } from '../../src/drivers/usnic/vnic.ts';
import { Simulation } from '../../src/link/sim.ts';
import { requireProgram } from '../helpers/debian.ts';
import { type Opened, onSockets, simulated } from './usnic-helper.ts';

/** Drives the device until the endpoint has a datagram. */
async function next({ usnic: { engine } }: Opened, endpoint: Endpoint): Promise<Datagram> {
  for (let i = 0; i < 20_000; i++) {
    engine.progress();
    const got = endpoint.receive();
    if (got !== null) return got;
    if (i % 16 === 0) await new Promise(setImmediate);
  }
  throw new Error('no datagram came');
}

describe('what it is', () => {
  test('conformance: what it has passes, what it has not is not claimed, and there are no stubs', async () => {
    const report = await runConformance({ open: () => simulatedPair(DRIVERS.usnic) });
    assert.equal(report.passed, true, JSON.stringify(report.checks.filter((c) => c.status === 'failed')));
    assert.equal(report.deviceClass, 'user');
    assert.deepEqual(report.stubs, []);
    assert.deepEqual(report.missing, [
      ...['create_qp', 'modify_qp', 'destroy_qp', 'post_send', 'post_recv'],
      ...['create_cq', 'destroy_cq', 'poll_cq', 'req_notify_cq'],
    ]);
    for (const name of report.missing) assert.equal(report.verbs.find((v) => v.name === name)!.status, 'not-claimed');
    assert.ok(report.counts.passed >= 6, JSON.stringify(report.counts));
  });

  test('it is not offered to in-process consumers', (t) => {
    const { usnic: it } = onSockets(t, '127.25.0.1');
    assert.throws(() => verbs.openContext(it.device, { owner: 'ulp' }), {
      code: 'EOPNOTSUPP',
      message: /for user contexts only.*post_send/,
    });
  });

  test('verbs that it has not are not there, and no queue pair stands for something else', (t) => {
    const { usnic: it, context } = onSockets(t, '127.25.0.1');
    for (const op of ['createQp', 'postSend', 'postRecv', 'pollCq', 'createAh'] as const)
      assert.equal(it.device.has(op), false, op);
    assert.throws(() => verbs.createCq(context, 1), { code: 'EOPNOTSUPP', message: /no verb create_cq/ });
    for (const type of Object.values(QpType)) assert.ok(!it.device.qpTypes.includes(type));
  });
});

describe('datagrams', () => {
  test('an ordinary UDP socket program sends to it, and it answers', async (t) => {
    const it = onSockets(t, '127.25.0.1');
    using endpoint = new Endpoint(it.context);
    const socket = createSocket('udp4').bind(0, '127.25.0.9');
    t.after(() => socket.close());
    await once(socket, 'listening');
    socket.send('how do you do', endpoint.port, '127.25.0.1');
    const got = await next(it, endpoint);
    assert.deepEqual(
      [got.data.toString(), got.address, got.port],
      ['how do you do', '127.25.0.9', socket.address().port],
    );
    const answer = once(socket, 'message');
    assert.ok(endpoint.send(Buffer.from('very well'), got.address, got.port));
    const [message, from] = await answer;
    assert.deepEqual([message.toString(), from.address, from.port], ['very well', '127.25.0.1', endpoint.port]);
    socket.send(Buffer.alloc(1400, 7), endpoint.port, '127.25.0.1');
    assert.equal((await next(it, endpoint)).data.length, 1400);
  });

  test('a thousand datagrams go through rings of 63, each with its bytes', async (t) => {
    const [x, y] = [onSockets(t, '127.25.0.1'), onSockets(t, '127.25.0.2')];
    using a = new Endpoint(x.context);
    using b = new Endpoint(y.context);
    for (let i = 0; i < 1000; i++) {
      assert.ok(a.send(Buffer.alloc(i, i), '127.25.0.2', b.port));
      const { data } = await next(y, b);
      assert.equal(data.length, i);
      assert.ok(data.every((byte) => byte === (i & 0xff)));
      a.receive();
    }
  });

  test('its traffic is captured, as plain UDP', async (t) => {
    if (!requireProgram(t, 'tshark', 'tshark')) return;
    const dir = mkdtempSync(join(tmpdir(), 'usnic-'));
    t.after(() => rmSync(dir, { recursive: true }));
    const file = new CaptureFile(join(dir, 'usnic.pcapng'), 'lo', false);
    const it = onSockets(t, '127.25.0.1', file);
    using endpoint = new Endpoint(it.context);
    const socket = createSocket('udp4').bind(0, '127.25.0.9');
    t.after(() => socket.close());
    await once(socket, 'listening');
    socket.send('ping', endpoint.port, '127.25.0.1');
    await next(it, endpoint);
    endpoint.send(Buffer.from('pong'), '127.25.0.9', socket.address().port);
    file.close();
    const fields = ['ip.src', 'ip.dst', 'udp.srcport', 'udp.dstport', 'udp.payload'].flatMap((f) => ['-e', f]);
    const out = execFileSync('tshark', ['-r', join(dir, 'usnic.pcapng'), '-T', 'fields', ...fields], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [here, there] = [String(endpoint.port), String(socket.address().port)];
    assert.deepEqual(
      out
        .trimEnd()
        .split('\n')
        .map((line) => line.split('\t')),
      [
        ['127.25.0.9', '127.25.0.1', there, here, Buffer.from('ping').toString('hex')],
        ['127.25.0.1', '127.25.0.9', here, there, Buffer.from('pong').toString('hex')],
      ],
    );
  });
});

describe('rights and lifetimes are the core’s', () => {
  test('a UDP port is one vNIC’s; privileged ones need the right', (t) => {
    const { context, usnic: it } = onSockets(t, '127.25.0.1');
    using endpoint = new Endpoint(context, { port: 25001 });
    assert.equal(endpoint.port, 25001);
    assert.throws(() => new Endpoint(context, { port: 25001 }), { code: 'EADDRINUSE' });
    assert.throws(() => new Endpoint(context, { port: 53 }), { code: 'EACCES' });
    assert.equal(it.vnics.size, 1);
  });

  test('descriptors with a key of another protection domain, a wrong one, or bytes outside: refused, nothing sent', (t) => {
    const { context } = onSockets(t, '127.25.0.1');
    const pd = verbs.allocPd(context);
    const { vnic: object } = usnic.method(context, 'create', { pd, port: 0, sendEntries: 8, recvEntries: 8 });
    const vnic = (object.state as { vnic: Vnic }).vnic;
    const register = (of: typeof pd): ReturnType<typeof verbs.regMr> =>
      verbs.regMr(of, new LocalMemory(new ArrayBuffer(64)), { access: Access.LOCAL_WRITE, iova: 0x1000 });
    const [mine, foreign] = [register(pd), register(verbs.allocPd(context))];
    const post = (lkey: number, addr: number, length: number): number => {
      const { send, comp } = vnic;
      const w = send.word(send.producer);
      send.u32.set([addr, 0, length, lkey, 0, 0, 9], w);
      send.bytes.set(
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 25, 0, 9],
        send.at(send.producer) + DESC.ADDRESS * 4,
      );
      send.producer = send.next(send.producer);
      const c = comp.word(comp.producer);
      usnic.method(context, 'doorbell', { vnic: object });
      return comp.u32[c + COMP.STATUS];
    };
    assert.equal(post(mine.lkey, 0x1000, 64), STATUS.OK);
    assert.equal(post(foreign.lkey, 0x1000, 64), STATUS.NO_ACCESS);
    assert.equal(post(mine.lkey + 1, 0x1000, 64), STATUS.NO_ACCESS);
    assert.equal(post(mine.lkey, 0x1001, 64), STATUS.NO_ACCESS);
    assert.equal(post(mine.lkey, 0xfff, 64), STATUS.NO_ACCESS);
    assert.equal(post(mine.lkey, 0x1000, 1 << 17), STATUS.TOO_LONG);
    assert.deepEqual([vnic.counters.sent, vnic.counters.refused], [1, 4]);
  });

  test('a user that scribbles over the rings harms nobody else', (t) => {
    const it = onSockets(t, '127.25.0.1');
    const pd = verbs.allocPd(it.context);
    const { vnic: object } = usnic.method(it.context, 'create', { pd, port: 0, sendEntries: 8, recvEntries: 8 });
    const { send, recv, comp } = (object.state as { vnic: Vnic }).vnic;
    using other = new Endpoint(it.context);
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 40, maxLength: 40 }), fc.nat(200), (noise, at) => {
        for (const ring of [send, recv, comp]) ring.u32.set(noise.slice(0, Math.min(40, ring.u32.length - at)), at);
        it.usnic.engine.progress();
      }),
      { seed: 7, numRuns: 300 },
    );
    assert.ok(other.send(Buffer.from('x'), '127.25.0.1', other.port));
  });

  test('the vNIC stands on its protection domain, goes with its context, and frees its port', (t) => {
    const { context, usnic: it } = onSockets(t, '127.25.0.1');
    const pd = verbs.allocPd(context);
    const { vnic } = usnic.method(context, 'create', { pd, port: 25002, sendEntries: 8, recvEntries: 8 });
    assert.throws(() => verbs.deallocPd(pd), { code: 'EBUSY' });
    const foreign = verbs.openContext(it.device, { owner: 'other', contextClass: 'user' });
    assert.throws(() => usnic.method(foreign, 'query', { vnic }), { code: 'EINVAL' });
    assert.throws(() => usnic.method(foreign, 'destroy', { vnic: vnic.handle }), { code: 'ENOENT' });
    verbs.closeContext(context);
    assert.equal(it.vnics.size, 0);
    const again = verbs.allocPd(foreign);
    usnic.method(foreign, 'create', { pd: again, port: 25002, sendEntries: 8, recvEntries: 8 });
    verbs.closeContext(foreign);
  });

  test('an unmodified program calls it by numbers', (t) => {
    const { context } = onSockets(t, '127.25.0.1');
    const pd = verbs.allocPd(context);
    const u32 = (n: number): Uint8Array => Uint8Array.from(new Uint8Array(Uint32Array.of(n).buffer));
    const attr = (id: number, data: Uint8Array, value = 0) => ({
      id: id + DRIVER_NAMESPACE,
      mandatory: true,
      data,
      value,
      written: 0,
    });
    const info = attr(5, new Uint8Array(INFO_BYTES));
    const vnic = attr(4, new Uint8Array(0));
    const none = new Uint8Array(0);
    usnic.raw(context, DRIVER_NAMESPACE, DRIVER_NAMESPACE, [
      ...[attr(0, none, pd.handle), attr(1, Uint8Array.of(0, 0)), attr(2, u32(15)), attr(3, u32(15)), vnic, info],
    ]);
    const words = new Uint32Array(info.data.buffer);
    assert.deepEqual([words[2], words[3], words[4]], [16, 16, 32]);
    assert.ok(words[0] >= 1024 && words[0] <= 0xffff && words[1] > 1000);
    assert.ok(context.objects.has(vnic.value));
  });
});

describe('the sliding window above', () => {
  test('every message arrives once and in order, over a network that loses, doubles, delays and overtakes', (t) => {
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.nat(1 << 20),
          loss: fc.double({ min: 0, max: 0.3, noNaN: true }),
          duplicate: fc.double({ min: 0, max: 0.3, noNaN: true }),
          reorder: fc.double({ min: 0, max: 0.3, noNaN: true }),
        }),
        fc.array(fc.nat(1400), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 20 }),
        (faults, sizes, window) => {
          const sim = new Simulation({ latencyUs: 20, jitterUs: 15, ...faults });
          const undo: (() => void)[] = [];
          const scope = { after: (fn: () => void) => void undo.push(fn) } as unknown as typeof t;
          const [x, y] = [simulated(scope, sim, '10.0.0.1', 7001), simulated(scope, sim, '10.0.0.2', 7002)];
          const [ex, ey] = [new Endpoint(x.context), new Endpoint(y.context)];
          const clock = sim.clock;
          const a = new ReliableChannel(ex, { address: '10.0.0.2', port: 7002, clock, window, timeoutUs: 500 });
          const b = new ReliableChannel(ey, { address: '10.0.0.1', port: 7001, clock, window, timeoutUs: 500 });
          for (const [i, size] of sizes.entries()) a.send(Buffer.alloc(size + 1, i));
          const got: [number, number][] = [];
          for (let i = 0; i < 200_000 && (got.length < sizes.length || a.pending > 0); i++) {
            sim.run(sim.now + 50);
            for (const { usnic: it } of [x, y]) it.engine.progress();
            a.progress();
            for (let m = b.receive(); m !== null; m = b.receive()) got.push([m.length, m[0]]);
            for (const { usnic: it } of [x, y]) it.engine.progress();
          }
          for (const fn of undo) fn();
          assert.deepEqual(
            got,
            sizes.map((size, i) => [size + 1, i]),
          );
          assert.equal(a.pending, 0);
        },
      ),
      { seed: 20261123, numRuns: 40 },
    );
  });
});
