// PSM2 and PSM through device.extension: endpoints over sockets of this host, driven by their devices' loops.
import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import {
  type Device,
  type OpenOptions,
  openDevice,
  type ProtectionDomain,
  PsmEndpoint,
  type PsmPeer,
  type PsmSpan,
  type PsmTag,
  psm,
  psm2,
} from '../../src/api/index.ts';
import { lidAddresses } from '../helpers/address.ts';
import { pattern } from './fixture.ts';

const JOB = Buffer.alloc(16, 'job');
const ALL: PsmTag = [0xffffffff, 0xffffffff, 0xffffffff];
const NONE: PsmTag = [0, 0, 0];

interface Rank {
  readonly device: Device;
  readonly pd: ProtectionDomain;
  readonly ep: PsmEndpoint;
}

async function ranks(t: TestContext, options: OpenOptions, uuids = [JOB, JOB]): Promise<Rank[]> {
  const addresses = lidAddresses(uuids.length);
  const found: Rank[] = [];
  for (const [i, uuid] of uuids.entries()) {
    const device = await openDevice({ address: addresses[i], ...options });
    t.after(() => device.close());
    const pd = device.allocPd();
    const methods = device.extension(options.driver === 'qib' ? psm : psm2);
    found.push({ device, pd, ep: new PsmEndpoint(methods, { pd, uuid }) });
  }
  return found;
}

const bytes = ({ pd }: Rank, content: Buffer | number): PsmSpan & { readonly mr: { readonly buffer: Buffer } } => ({
  mr: pd.regMr(typeof content === 'number' ? Buffer.alloc(content) : content),
});

for (const driver of ['hfi1', 'qib'] as const) {
  suite(driver, () => {
    test('messages of all lengths there and back', async (t) => {
      const [a, b] = await ranks(t, { driver });
      const toB = await a.ep.connect(b.ep.epid);
      assert.deepEqual([toB.state, toB.epid], ['connected', b.ep.epid]);
      for (const length of [1, 8192, 8193, 300_000]) {
        const [out, into, back] = [bytes(a, pattern(length)), bytes(b, length), bytes(a, length)];
        const got = b.ep.irecv(null, [1, 2, 0], ALL, into);
        const sent = a.ep.isend(toB, [1, 2, 0], out);
        assert.equal((await got.wait()).status, 'ok');
        assert.deepEqual([got.source, got.length, got.messageLength], [a.ep.epid, length, length]);
        // Who was connected to can answer: the way back is there already.
        const toA = await b.ep.connect(got.source);
        const answered = a.ep.irecv(b.ep.epid, NONE, NONE, back);
        b.ep.isend(toA, [9, 9, 0], into);
        await answered.wait();
        assert.equal((await sent.wait()).status, 'ok');
        assert.ok(back.mr.buffer.equals(out.mr.buffer));
      }
    });

    test('a fabric that loses', async (t) => {
      const [a, b] = await ranks(t, { driver, faults: { loss: 0.05, seed: 5 } });
      const toB = await a.ep.connect(b.ep.epid);
      const lengths = Array.from({ length: 30 }, (_, i) => (i % 5 === 0 ? 50_000 + i : i));
      const got = lengths.map((length, i) => b.ep.irecv(null, [i, 0, 0], ALL, bytes(b, Math.max(1, length))));
      const sent = lengths.map((length, i) => a.ep.isend(toB, [i, 0, 0], { ...bytes(a, length + 1), length }));
      const done = await Promise.all([...got, ...sent].map((request) => request.wait()));
      assert.deepEqual(new Set(done.map(({ status }) => status)), new Set(['ok']));
      assert.deepEqual(
        got.map(({ length }) => length),
        lengths,
      );
    });
  });
}

const hfi1 = { driver: 'hfi1' } as const;

/** Lets both work until it is so. */
async function until(done: () => boolean): Promise<void> {
  const end = Date.now() + 5000;
  while (!done()) {
    if (Date.now() > end) throw new Error('it does not come');
    await new Promise(setImmediate);
  }
}

test('probe, mprobe, truncation, cancelling', async (t) => {
  const [a, b] = await ranks(t, hfi1);
  const toB = await a.ep.connect(b.ep.epid);
  const out = bytes(a, pattern(40));
  for (const n of [1, 2, 3]) a.ep.isend(toB, [n, 0, 0], out);
  await until(() => b.ep.iprobe(null, [3, 0, 0], ALL) !== null);
  assert.deepEqual(b.ep.iprobe(a.ep.epid, NONE, NONE)!.tag, [1, 0, 0]);
  const message = b.ep.improbe(null, [2, 0, 0], ALL)!;
  assert.deepEqual([message.source, message.length], [a.ep.epid, 40]);
  assert.equal(b.ep.iprobe(null, [2, 0, 0], ALL), null, 'it is taken');
  const small = b.ep.imrecv(message, bytes(b, 10));
  assert.deepEqual([small.done, small.status, small.length, small.messageLength], [true, 'truncated', 10, 40]);
  const never = b.ep.irecv(null, [4, 0, 0], ALL, bytes(b, 10));
  const waiting = never.wait();
  assert.ok(never.cancel());
  assert.equal(never.cancel(), false);
  b.ep.progress();
  assert.equal((await waiting).status, 'cancelled');
});

test('active messages: short, answered, long', async (t) => {
  const [a, b] = await ranks(t, hfi1);
  const toB = await a.ep.connect(b.ep.epid);
  b.ep.onActive(1, ({ args, data, reply }) => reply(2, [args[0] + 1n], Buffer.from(data).reverse()));
  const answer = new Promise<[bigint, string]>((resolve) => {
    a.ep.onActive(2, ({ args, data }) => resolve([args[0], data.toString()]));
  });
  assert.equal(await a.ep.active(toB, 1, [41n], Buffer.from('abc')), true);
  assert.deepEqual(await answer, [42n, 'cba']);
  // For a handler that there is not: nothing happens, and what comes later is not held up.
  await a.ep.active(toB, 99, []);
  const room = b.pd.regMr(Buffer.alloc(100_000), { access: ['LOCAL_WRITE', 'REMOTE_WRITE'] });
  const ran = new Promise<number>((resolve) => {
    b.ep.onActive(3, () => resolve(room.buffer[99_999]));
  });
  const out = bytes(a, Buffer.alloc(100_000, 7));
  assert.equal(await a.ep.activeLong(toB, 3, [], out, room.remote()), true);
  assert.equal(await ran, 7, 'the bytes are there when the handler runs');
});

test('who is not there, and who is of another job', async (t) => {
  const [a, b] = await ranks(t, hfi1, [JOB, Buffer.alloc(16, 'other')]);
  await assert.rejects(a.ep.connect(b.ep.epid), { name: 'ConnectError', code: 'ECONNREFUSED' });
  b.ep.close();
  const [c] = await ranks(t, hfi1, [JOB]);
  await assert.rejects(c.ep.connect(b.ep.epid), { name: 'ConnectError', code: 'ETIMEDOUT' });
});

test('closing: what waits is told, and nothing is left of it', async (t) => {
  const [a, b] = await ranks(t, hfi1);
  const toB = await a.ep.connect(b.ep.epid);
  const receive = a.ep.irecv(null, NONE, NONE, bytes(a, 10));
  // Nobody receives it: it stays at its sender.
  const send = a.ep.isend(toB, NONE, bytes(a, 100_000));
  const connecting = a.ep.connect(12345);
  a.ep.close();
  assert.deepEqual([(await receive.wait()).status, (await send.wait()).status], ['cancelled', 'failed']);
  await assert.rejects(connecting, { code: 'ECONNABORTED' });
  assert.throws(() => a.ep.isend(toB, NONE, bytes(a, 1)), { code: 'ECONNABORTED' });
  a.ep.close();
  const kinds = a.device.resources().map(({ kind }) => kind);
  assert.deepEqual(new Set(kinds), new Set(['pd', 'mr']));
});

test('a device that is closed takes its endpoints with it', async (t) => {
  const [a, b] = await ranks(t, hfi1);
  await a.ep.connect(b.ep.epid);
  const waiting = a.ep.irecv(null, NONE, NONE, bytes(a, 10)).wait();
  await a.device.close();
  assert.equal((await waiting).status, 'cancelled');
  assert.throws(() => a.ep.iprobe(null, NONE, NONE), { code: 'ECONNABORTED' });
});

test('a peer that this endpoint has not is no peer', async (t) => {
  const [a, b] = await ranks(t, hfi1);
  const stranger: PsmPeer = { epid: b.ep.epid, state: 'connected', reason: null };
  assert.throws(() => a.ep.isend(stranger, NONE, bytes(a, 1)), { code: 'ECONNRESET' });
  assert.throws(() => a.ep.isend(stranger, NONE, bytes(b, 1)));
});
