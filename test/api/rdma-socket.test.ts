// Streams over RDMA: bytes arrive whole and in order, writers wait for readers, ends are ends.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  connect,
  connectSocket,
  type Device,
  listenSocket,
  type RdmaSocket,
  type RdmaSocketOptions,
  type SocketServer,
} from '../../src/api/index.ts';
import { fill } from '../transport/fabric.ts';
import { openEnds, WIRINGS, type Wiring } from './fixture.ts';

const addressOf = (device: Device): string => device.gids[0].gid.replace('::ffff:', '');
const sha = (b: Buffer): string => createHash('sha256').update(b).digest('hex');

/** All that is read until the end. (`for await` would destroy the stream then, its writing side too.) */
async function buffer(socket: RdmaSocket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}
const text = async (socket: RdmaSocket): Promise<string> => (await buffer(socket)).toString();

interface Pair {
  readonly a: Device;
  readonly b: Device;
  readonly server: SocketServer;
  readonly client: RdmaSocket;
  readonly peer: RdmaSocket;
}

async function pair(
  t: TestContext,
  options: RdmaSocketOptions = {},
  wiring: Wiring = 'udp',
  faults = {},
): Promise<Pair> {
  const [a, b] = await openEnds(t, wiring, faults);
  const server = listenSocket({ device: b, allowHalfOpen: true, ...options });
  const [client, peer] = await Promise.all([
    connectSocket(addressOf(b), { device: a, port: server.port, allowHalfOpen: true, ...options }),
    server.next(),
  ]);
  return { a, b, server, client, peer };
}

for (const wiring of WIRINGS) {
  it(`${wiring}: ten megabytes there and back`, async (t) => {
    const { client, peer } = await pair(t, {}, wiring);
    const bytes = fill(Buffer.alloc(10_000_000));
    peer.pipe(peer);
    client.end(bytes);
    const back = await buffer(client);
    assert.equal(sha(back), sha(bytes));
    assert.deepEqual([client.bytesRead, client.bytesWritten], [bytes.length, bytes.length]);
    if (!peer.closed) await once(peer, 'close');
  });
}

it('writes of all sizes, with buffers so small that every write waits', async (t) => {
  const { client, peer } = await pair(t, { receiveBuffer: 4096, sendBuffer: 4096 });
  const sizes = [1, 2, 3, 63, 64, 65, 1023, 2047, 2048, 2049, 4095, 4096, 4097, 10_000, 100_000];
  const parts = sizes.map((n, i) => fill(Buffer.alloc(n), i + 1));
  const got = buffer(peer);
  await pipeline(Readable.from(parts), client);
  assert.equal(sha(await got), sha(Buffer.concat(parts)));
  peer.end();
  await text(client);
});

it('small messages by the thousand, each way at once', async (t) => {
  const { client, peer } = await pair(t);
  const count = 5000;
  const lines = (who: string): string => Array.from({ length: count }, (_, i) => `${who} ${i}\n`).join('');
  const talk = (socket: RdmaSocket, who: string): void => {
    for (let i = 0; i < count; i++) socket.write(`${who} ${i}\n`);
    socket.end();
  };
  const [one, two] = [text(client), text(peer)];
  talk(client, 'a');
  talk(peer, 'b');
  assert.deepEqual([await two, await one], [lines('a'), lines('b')]);
});

it('back-pressure: who does not read is not written to, and loses nothing', async (t) => {
  const { client, peer } = await pair(t, { receiveBuffer: 65536, sendBuffer: 65536 });
  const chunk = fill(Buffer.alloc(65536));
  let written = 0;
  while (client.write(chunk)) written++;
  for (let i = 0; i < 20; i++) {
    client.write(chunk);
    written++;
  }
  await sleep(100);
  // The peer's buffer and its stream's, not more; the rest waits here.
  assert.ok(client.bytesWritten <= 3 * 65536, `${client.bytesWritten}`);
  client.end();
  const got = await buffer(peer);
  assert.equal(got.length, (written + 1) * chunk.length);
  peer.end();
});

it('half close: one side ends, the other goes on', async (t) => {
  const { client, peer } = await pair(t);
  client.end('question');
  assert.equal(await text(peer), 'question');
  assert.equal(peer.destroyed, false);
  peer.write('an ');
  await sleep(20);
  peer.end('answer');
  assert.equal(await text(client), 'an answer');
  for (const socket of [client, peer]) if (!socket.closed) await once(socket, 'close');
  assert.deepEqual([client.errored, peer.errored], [null, null]);
});

it('without allowHalfOpen the end of one is the end of both', async (t) => {
  const { client, peer } = await pair(t, { allowHalfOpen: false });
  peer.resume();
  client.resume();
  client.end('bye');
  await Promise.all([once(client, 'close'), once(peer, 'close')]);
  assert.deepEqual([client.errored, peer.errored, peer.bytesRead], [null, null, 3]);
});

describe('ends that are none', () => {
  it('destroyed with an error: the peer gets ECONNRESET', async (t) => {
    const { client, peer } = await pair(t);
    const failed = once(peer, 'error');
    client.on('error', () => {});
    client.destroy(new Error('of mine'));
    assert.equal((await failed)[0].code, 'ECONNRESET');
  });

  it('closed without an error, or read to the end by for await: the peer reads to the end, and meets none', async (t) => {
    for (const way of ['destroy', 'for await']) {
      const { client, peer } = await pair(t);
      const closed = once(peer, 'close');
      const got = text(peer);
      if (way === 'destroy') {
        client.write('last words');
        await sleep(20);
        client.destroy();
      } else {
        client.write('last words');
        client.on('error', () => {});
        peer.end('that is all');
        for await (const chunk of client) assert.equal(String(chunk), 'that is all');
      }
      assert.equal(await got, 'last words');
      await closed;
      assert.equal(peer.errored, null);
    }
  });

  it('an error here, a callback with it', async (t) => {
    const { client, peer } = await pair(t, { sendBuffer: 4096, receiveBuffer: 4096 });
    peer.on('error', () => {});
    client.on('error', () => {});
    const called = new Promise((resolve) => client.write(Buffer.alloc(100_000), resolve));
    client.destroy(new Error('mine'));
    assert.match(String(await called), /mine/);
  });

  it('the signal destroys it', async (t) => {
    const { a, server, b } = await pair(t);
    const stop = new AbortController();
    const accepted = server.next();
    const socket = await connectSocket(addressOf(b), { device: a, port: server.port, signal: stop.signal });
    (await accepted).on('error', () => {});
    const failed = once(socket, 'error');
    stop.abort();
    assert.equal((await failed)[0].name, 'AbortError');
  });

  it('a peer that speaks no rsocket is refused, and the server goes on', async (t) => {
    const { a, b, server } = await pair(t);
    const next = server[Symbol.asyncIterator]().next();
    await assert.rejects(connect(addressOf(b), { device: a, port: server.port }), { code: 'ECONNREFUSED' });
    const socket = await connectSocket(addressOf(b), { device: a, port: server.port });
    const peer = (await next).value as RdmaSocket;
    peer.on('error', () => {});
    socket.destroy();
  });

  it('a peer that is silent for ever is found out by keepAlive', async (t) => {
    const [a, b] = await openEnds(t, 'udp');
    const server = listenSocket({ device: b });
    const [client, peer] = await Promise.all([
      connectSocket(addressOf(b), { device: a, port: server.port, keepAlive: 20, ackTimeout: 8 }),
      server.next(),
    ]);
    peer.on('error', () => {});
    const failed = once(client, 'error');
    // As if its host had lost power: nothing is sent, nothing is taken in.
    b.machine.engine.progress = () => 0;
    assert.equal((await failed)[0].code, 'ETIMEDOUT');
    Reflect.deleteProperty(b.machine.engine, 'progress');
  });
});

it('a network that loses: nothing is missing', async (t) => {
  const { client, peer } = await pair(t, {}, 'udp', { faults: { loss: 0.01, reorder: 0.01, seed: 3 } });
  const bytes = fill(Buffer.alloc(500_000));
  client.end(bytes);
  assert.equal(sha(await buffer(peer)), sha(bytes));
  peer.end();
});

it('fifty streams at once; all is given back', async (t) => {
  const [a, b] = await openEnds(t, 'udp');
  const server = listenSocket({ device: b });
  const echo = (async () => {
    for await (const socket of server) socket.pipe(socket);
  })();
  await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const socket = await connectSocket(addressOf(b), { device: a, port: server.port, allowHalfOpen: true });
      socket.end(Buffer.alloc(20_000, i));
      assert.ok((await buffer(socket)).equals(Buffer.alloc(20_000, i)));
    }),
  );
  server.close();
  await echo;
  await sleep(100);
  const left = (device: Device): string[] =>
    device
      .resources()
      .filter((r) => r.owner !== 'cm' && r.kind !== 'comp_channel')
      .map((r) => r.kind);
  assert.deepEqual([left(a), left(b)], [[], []]);
});
