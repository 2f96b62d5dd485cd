// Endpoints, over a simulated fabric: messages of all lengths, in order, also when packets are lost.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Access, WrOpcode } from '../../../src/core/constants.ts';
import { LocalMemory } from '../../../src/core/memory.ts';
import { deregMr, regMr } from '../../../src/core/verbs.ts';
import { SEND } from '../../../src/drivers/psm/connection.ts';
import { type Envelope, MatchedQueue, type Tag, type Wanted } from '../../../src/drivers/psm/matched-queue.ts';
import { bytesOf, itemsOf, room, span, World } from './world.ts';

const ANY: Tag = [0, 0, 0];
const ALL: Tag = [0xffffffff, 0xffffffff, 0xffffffff];
const tagOf = (n: number): Tag => [0, 0, n];

test('messages of any length, eager and by rendezvous, arrive whole', () => {
  const w = new World();
  const [a, b] = [w.host({ eagerMax: 2048 }), w.host({ eagerMax: 2048 })];
  const connection = w.connect(a, b);
  assert.equal(connection.state, 'connected');
  for (const length of [0, 1, 2047, 2048, 2049, 100_000]) {
    const [sent, got] = [bytesOf(length, length), room(length)];
    const receive = b.ep.irecv(a.ep.epid, tagOf(7), ALL, span(b, got));
    const send = a.ep.isend(connection, tagOf(7), span(a, sent));
    w.until(() => receive.done && send.done);
    assert.deepEqual([receive.status, receive.length, receive.messageLength], ['ok', length, length]);
    assert.deepEqual([receive.source, receive.tag, send.status], [a.ep.epid, tagOf(7), 'ok']);
    assert.ok(got.equals(sent), `${length} bytes`);
  }
  w.close();
});

test('a message longer than its buffer is cut, and told so, in both ways', () => {
  const w = new World();
  const [a, b] = [w.host({ eagerMax: 100 }), w.host({ eagerMax: 100 })];
  const connection = w.connect(a, b);
  for (const length of [100, 1000]) {
    const got = room(50);
    const sent = bytesOf(1, length);
    const send = a.ep.isend(connection, ANY, span(a, sent));
    const receive = b.ep.irecv(null, ANY, ANY, span(b, got));
    w.until(() => receive.done && send.done);
    assert.deepEqual([receive.status, receive.length, receive.messageLength], ['truncated', 50, length]);
    assert.ok(got.equals(sent.subarray(0, 50)));
  }
  w.close();
});

test('probe, mprobe, cancel; a rendezvous send is done when it has been received', () => {
  const w = new World();
  const [a, b] = [w.host({ eagerMax: 64 }), w.host({ eagerMax: 64 })];
  const connection = w.connect(a, b);
  const got = room(1000);
  const never = b.ep.irecv(null, tagOf(99), ALL, span(b, got));
  assert.equal(b.ep.iprobe(null, tagOf(3), ALL), null);
  const big = a.ep.isend(connection, tagOf(3), span(a, bytesOf(3, 1000)));
  const small = a.ep.isend(connection, tagOf(4), span(a, bytesOf(4, 10)));
  w.settle();
  assert.deepEqual([big.done, small.done], [false, true]);
  assert.equal(b.ep.iprobe(null, tagOf(3), ALL)?.length, 1000);
  const message = b.ep.improbe(null, tagOf(3), ALL)!;
  assert.equal(b.ep.improbe(null, tagOf(3), ALL), null, 'it is taken');
  const receive = b.ep.imrecv(message, span(b, got));
  w.until(() => receive.done && big.done);
  assert.ok(got.equals(bytesOf(3, 1000)));
  assert.equal(b.ep.cancel(never), true);
  assert.deepEqual([never.done, never.status], [true, 'cancelled']);
  assert.equal(b.ep.cancel(never), false);
  assert.equal(b.ep.cancel(receive), false, 'what is done is not taken back');
  assert.equal(a.ep.cancel(small), false, 'a send neither');
  w.close();
});

test('PSM’s tags have 64 bits: the third word means nothing', () => {
  const w = new World();
  const [a, b] = [w.host({ tagWords: 2 }), w.host({ tagWords: 2 })];
  const connection = w.connect(a, b);
  const receive = b.ep.irecv(null, [1, 2, 8], ALL, span(b, room(4)));
  a.ep.isend(connection, [1, 2, 9], span(a, bytesOf(0, 4)));
  w.until(() => receive.done);
  w.close();
});

describe('connections', () => {
  test('of two that ask each other at once there is one', () => {
    const w = new World();
    const [a, b] = [w.host(), w.host()];
    const [x, y] = [a.ep.connect(b.ep.epid), b.ep.connect(a.ep.epid)];
    w.until(() => x.state === 'connected' && y.state === 'connected');
    assert.equal(x.qp.attr.destQpn, y.qp.qpn);
    assert.equal(y.qp.attr.destQpn, x.qp.qpn);
    assert.equal(a.ep.connections.size, 1);
    w.close();
  });

  test('another job’s endpoint is refused; nobody there: it fails', () => {
    const w = new World();
    const [a, b] = [w.host(), w.host({ uuid: new Uint8Array(16) })];
    const refused = w.connect(a, b);
    assert.deepEqual([refused.state, refused.reason], ['failed', 'the endpoint is of another job']);
    assert.equal(b.ep.connections.size, 0);
    const nobody = a.ep.connect(b.ep.epid + 1);
    w.until(() => nobody.state === 'failed');
    assert.equal(nobody.reason, 'nobody answers');
    const send = a.ep.isend(refused, ANY, span(a, room(4)));
    assert.equal(send.status, 'failed');
    w.close();
  });

  test('half of all datagrams lost: they meet all the same', () => {
    const w = new World({ loss: 0.5, seed: 4 });
    const [a, b] = [w.host(), w.host()];
    assert.equal(w.connect(a, b).state, 'connected');
    w.close();
  });
});

describe('active messages', () => {
  test('run a handler, with arguments and data, which answers', () => {
    const w = new World();
    const [a, b] = [w.host(), w.host()];
    const connection = w.connect(a, b);
    b.ep.onActive(3, ({ args, data, source, reply }) => {
      assert.equal(source, a.ep.epid);
      reply(5, [args[0] + args[1]], Buffer.from(data.toString().toUpperCase()));
    });
    const answers: [readonly bigint[], string][] = [];
    a.ep.onActive(5, ({ args, data }) => void answers.push([args, data.toString()]));
    a.ep.active(connection, 3, [2n ** 64n - 2n, 1n], Buffer.from('add'));
    a.ep.active(connection, 200, []);
    w.until(() => answers.length > 0);
    assert.deepEqual(answers, [[[2n ** 64n - 1n], 'ADD']]);
    const notBig = [1] as unknown as bigint[];
    for (const bad of [
      () => a.ep.active(connection, 256, []),
      () => a.ep.active(connection, 1, Array(9).fill(0n)),
      () => a.ep.active(connection, 1, notBig),
    ])
      assert.throws(bad, { code: 'EINVAL' });
    w.close();
  });

  test('long: the data lie in the peer’s memory when the handler runs', () => {
    const w = new World({ loss: 0.02, seed: 3 });
    const [a, b] = [w.host(), w.host()];
    const connection = w.connect(a, b);
    const target = room(200_000);
    const mr = regMr(b.pd, new LocalMemory(target), { access: Access.LOCAL_WRITE | Access.REMOTE_WRITE, iova: 0x5000 });
    const sent = bytesOf(9, 200_000);
    let seen: boolean | null = null;
    b.ep.onActive(1, () => {
      seen = target.equals(sent);
    });
    a.ep.activeLong(connection, 1, [], span(a, sent), { addr: 0x5000, rkey: mr.rkey });
    w.until(() => seen !== null);
    assert.equal(seen, true);
    w.close();
  });
});

test('what is checked: protection domain, rights, bounds; and a region in use is not deregistered', () => {
  const w = new World();
  const [a, b] = [w.host(), w.host()];
  const connection = w.connect(a, b);
  const foreign = span(b, room(8));
  assert.throws(() => a.ep.isend(connection, ANY, foreign), { code: 'EINVAL' });
  const readOnly = { ...span(a, room(8)), mr: regMr(a.pd, new LocalMemory(room(8)), { access: 0, iova: 8 }) };
  assert.throws(() => a.ep.irecv(null, ANY, ANY, readOnly), { code: 'EINVAL' });
  const s = span(a, room(8));
  assert.throws(() => a.ep.irecv(null, ANY, ANY, { ...s, length: 9 }), { code: 'EINVAL' });
  const request = a.ep.irecv(null, ANY, ANY, s);
  assert.throws(() => deregMr(s.mr), { code: 'EBUSY' });
  a.ep.cancel(request);
  deregMr(s.mr);
  w.close();
});

test('what no endpoint says is not listened to', () => {
  const w = new World();
  const [a, b] = [w.host({ eagerMax: 256, slots: 4 }), w.host({ eagerMax: 256, slots: 4 })];
  const connection = w.connect(a, b);
  let handled = 0;
  b.ep.onActive(0, () => handled++);
  const target = span(b, room(4000));
  const written = regMr(b.pd, target.mr.memory, { access: Access.LOCAL_WRITE | Access.REMOTE_WRITE, iova: 0x7000 });
  const hello = (): Buffer => {
    const got = room(256);
    const receive = b.ep.irecv(null, ANY, ANY, span(b, got));
    a.ep.isend(connection, ANY, span(a, bytesOf(1, 200)));
    w.until(() => receive.done);
    return got.subarray(0, receive.messageLength);
  };
  /** Kind, and a length that it cannot have. */
  for (const [kind, length] of [
    ...[0, 1, 2, 3, 4, 9].map((kind) => [kind, 3]),
    [1, 0],
    [1, 15],
    [1, 273],
    [2, 35],
    [2, 37],
    [3, 7],
    [3, 9],
    [4, 261],
  ]) {
    const bytes = Buffer.alloc(292);
    bytes[0] = kind;
    const { mr } = span(a, bytes);
    connection.post({
      opcode: SEND,
      sge: { addr: mr.iova, length, lkey: mr.lkey },
      remoteAddr: 0,
      rkey: 0,
      completed: () => {},
    });
    w.settle(100);
  }
  // A WRITE that takes a receive, and says how much was written elsewhere, while the slot still has an older message.
  for (let i = 0; i < 8; i++) assert.deepEqual(hello(), bytesOf(1, 200));
  const { mr } = span(a, Buffer.alloc(100, 1));
  const sge = { addr: mr.iova, length: 100, lkey: mr.lkey };
  const opcode = WrOpcode.RDMA_WRITE_WITH_IMM;
  connection.post({ opcode, sge, remoteAddr: 0x7000, rkey: written.rkey, completed: () => {} });
  w.settle();
  assert.deepEqual([b.ep.mq.unexpected.length, handled], [0, 0]);
  a.ep.active(connection, 0, []);
  assert.deepEqual(hello(), bytesOf(1, 200));
  assert.equal(handled, 1);
  w.close();
});

describe('failure', () => {
  test('of the connection: messages of any length fail, and let go of their regions', () => {
    const w = new World();
    const [a, b] = [w.host({ eagerMax: 64 }), w.host({ eagerMax: 64 })];
    const connection = w.connect(a, b);
    connection.fail('for this test');
    for (const length of [10, 1000]) {
      const s = span(a, room(length));
      const send = a.ep.isend(connection, ANY, s);
      w.settle(100);
      assert.deepEqual([send.done, send.status], [true, 'failed'], `${length} bytes`);
      deregMr(s.mr);
    }
    assert.equal(connection.ready.size, 0);
    w.close();
  });

  test('of a handler: it is told, and what came with that message is not lost', () => {
    const w = new World();
    const [a, b] = [w.host({ slots: 4 }), w.host({ slots: 4 })];
    const connection = w.connect(a, b);
    b.ep.onActive(1, () => {
      throw new Error('in the handler');
    });
    let [thrown, seen, told] = [0, 0, 0];
    b.ep.onActive(2, () => seen++);
    for (let i = 0; i < 20; i++) {
      a.ep.active(connection, 1, []);
      a.ep.active(connection, 2, [], undefined, () => told++);
    }
    const step = (): void => {
      try {
        w.until(() => seen === 20 && told === 20);
      } catch (error) {
        if ((error as Error).message !== 'in the handler') throw error;
        thrown++;
        step();
      }
    };
    step();
    assert.ok(thrown > 0 && thrown <= 20, `${thrown} thrown`);
    w.close();
  });

  test('of what is to be told that a message has arrived: those behind it are', () => {
    const w = new World();
    const [a, b] = [w.host({ slots: 4 }), w.host({ slots: 4 })];
    const connection = w.connect(a, b);
    let told = 0;
    for (let i = 0; i < 20; i++) {
      a.ep.active(connection, 2, [], undefined, () => {
        if (++told % 2 === 0) throw new Error('when told');
      });
    }
    for (let i = 0; i < 100 && told < 20; i++) {
      try {
        w.settle(100);
      } catch (error) {
        assert.equal((error as Error).message, 'when told');
      }
    }
    assert.equal(told, 20);
    w.close();
  });
});

test('any messages and receives, before and after, over a fabric that loses packets: matched as the model says', () => {
  const tag = fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1)) as fc.Arbitrary<Tag>;
  const message = fc.record({ tag, length: fc.oneof(fc.nat(400), fc.integer({ min: 2000, max: 20_000 })) });
  const receive = fc.record({ any: fc.boolean(), tag, select: tag });
  fc.assert(
    fc.property(
      fc.record({ seed: fc.nat(1 << 20), loss: fc.double({ min: 0, max: 0.1, noNaN: true }) }),
      fc.array(receive, { maxLength: 20 }),
      fc.array(message, { maxLength: 20 }),
      fc.array(receive, { maxLength: 20 }),
      (faults, before, messages, after) => {
        const w = new World(faults);
        const [a, b] = [w.host({ eagerMax: 1000, slots: 8 }), w.host({ eagerMax: 1000, slots: 8 })];
        const connection = w.connect(a, b);
        const model = new MatchedQueue<Envelope & { n: number }, Wanted & { n: number }>();
        const expected = new Map<number, number>();
        const posted: { request: ReturnType<typeof b.ep.irecv>; bytes: Buffer }[] = [];
        const post = (r: { any: boolean; tag: Tag; select: Tag }): void => {
          const source = r.any ? null : a.ep.epid;
          const n = posted.length;
          const taken = model.post({ source, tag: r.tag, select: r.select, n });
          if (taken !== null) expected.set(n, taken.n);
          const bytes = room(20_000);
          posted.push({ request: b.ep.irecv(source, r.tag, r.select, span(b, bytes)), bytes });
        };
        for (const r of before) post(r);
        const sends = messages.map(({ tag: t, length }, n) => {
          const receiver = model.arrive({ source: a.ep.epid, tag: t, n });
          if (receiver !== null) expected.set(receiver.n, n);
          return a.ep.isend(connection, t, span(a, bytesOf(n, length)));
        });
        w.until(
          () => model.unexpected.length === b.ep.mq.unexpected.length && model.posted.length === b.ep.mq.posted.length,
        );
        for (const r of after) post(r);
        w.until(() => posted.filter(({ request }) => request.done).length === expected.size, 20_000_000);
        for (const [n, { request, bytes }] of posted.entries()) {
          const which = expected.get(n);
          assert.equal(request.done, which !== undefined);
          if (which === undefined) continue;
          const { length } = messages[which];
          assert.equal(request.messageLength, length);
          assert.ok(bytes.subarray(0, length).equals(bytesOf(which, length)), `receive ${n}, message ${which}`);
        }
        const left = new Set(itemsOf(model.unexpected).map(({ n }) => n));
        w.until(() => sends.every((send, n) => send.done || (left.has(n) && messages[n].length > 1000)), 20_000_000);
        w.close();
      },
    ),
    { seed: 20261123, numRuns: 25 },
  );
});

test('a thousand endpoints: each sends to its neighbours, a short message and a long one', () => {
  const w = new World();
  const count = 1000;
  const options = { eagerMax: 256, slots: 6, peers: 4 };
  for (let i = 0; i < count; i++) w.host(options);
  const requests = w.hosts.map((host, i) => {
    const next = host.ep.connect(w.hosts[(i + 1) % count].ep.epid);
    const previous = w.hosts[(i + count - 1) % count].ep.epid;
    const bytes = room(3000);
    return {
      bytes,
      short: host.ep.irecv(previous, tagOf(1), ALL, span(host, room(4))),
      long: host.ep.irecv(null, tagOf(2), ALL, span(host, bytes)),
      sends: [tagOf(1), tagOf(2)].map((tag, j) => host.ep.isend(next, tag, span(host, bytesOf(i, j === 0 ? 4 : 3000)))),
    };
  });
  w.until(() => requests.every(({ short, long, sends }) => short.done && long.done && sends.every((s) => s.done)));
  for (const [i, { bytes }] of requests.entries())
    assert.ok(bytes.equals(bytesOf((i + count - 1) % count, 3000)), `rank ${i}`);
  w.close();
});
