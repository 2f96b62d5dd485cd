// Connecting by address and port: over sockets, between devices of one process and of two.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import {
  ConnectError,
  type Connection,
  type ConnectionRequest,
  connect,
  type Device,
  listen,
  openDevice,
  type Server,
} from '../../src/api/index.ts';
import { uniqueAddress, uniqueAddresses } from '../helpers/address.ts';
import { repoUrl } from '../helpers/run.ts';
import { openEnds, WIRINGS } from './fixture.ts';

const API = repoUrl('src/api/index.ts');
const text = (b: Buffer): string => b.toString().replace(/\0+$/, '');

const addressOf = (device: Device): string => device.gids[0].gid.replace('::ffff:', '');

/** Accepts all that come, until the server is closed. */
async function acceptAll(
  server: Server,
  options: Parameters<ConnectionRequest['accept']>[0] = {},
): Promise<Connection[]> {
  const accepted: Promise<Connection>[] = [];
  for await (const request of server) accepted.push(request.accept(options));
  return Promise.all(accepted);
}

async function pair(
  t: TestContext,
): Promise<{ a: Device; b: Device; server: Server; to: { device: Device; port: number } }> {
  const [a, b] = await openEnds(t, 'udp');
  const server = listen({ device: b });
  return { a, b, server, to: { device: a, port: server.port } };
}

for (const wiring of WIRINGS) {
  it(`${wiring}: connects, sends both ways, disconnects, and leaves nothing behind`, async (t) => {
    const [a, b] = await openEnds(t, wiring);
    const before = [a.resources().length, b.resources().length];
    const server = listen({ device: b });
    const prepare: Parameters<ConnectionRequest['accept']>[0] = {
      prepare: (qp, pd) => qp.postRecv({ wrId: 7, sge: pd.regMr(Buffer.alloc(100)).sge() }),
    };
    const [client, peer] = await Promise.all([
      connect(addressOf(b), { device: a, port: server.port, privateData: Buffer.from('hello'), ...prepare }),
      server.next().then((request) => {
        assert.equal(text(request.privateData), 'hello');
        return request.accept({ ...prepare, privateData: Buffer.from('welcome') });
      }),
    ]);
    assert.equal(text(client.privateData), 'welcome');
    assert.deepEqual([client.local, client.remote], [peer.remote, peer.local]);
    assert.equal(peer.local.port, server.port);
    assert.deepEqual([client.qp.state, peer.qp.state], ['RTS', 'RTS']);
    client.qp.postSend({ opcode: 'SEND', inline: Buffer.from('ping'), signaled: false });
    const got = await peer.recvCq.next();
    assert.deepEqual([got.ok, got.byteLen, got.wrId], [true, 4, 7]);
    peer.qp.postSend({ opcode: 'SEND', inline: Buffer.from('pong!'), signaled: false });
    assert.equal((await client.recvCq.next()).orThrow().byteLen, 5);
    await client.disconnect();
    await peer.closed;
    assert.deepEqual([client.qp.state, peer.qp.state], ['ERR', 'ERR']);
    for (const c of [client, peer]) c.close();
    server.close();
    const left = (device: Device): string[] =>
      device
        .resources()
        .filter((r) => r.owner !== 'cm')
        .map((r) => r.kind);
    assert.deepEqual([left(a), left(b)], [[], []], `before ${before}`);
  });
}

describe('what goes wrong', () => {
  it('nobody listens; the program refuses; no such family; a name that is none', async (t) => {
    const { b, server, to } = await pair(t);
    const where = addressOf(b);
    const error = async (promise: Promise<unknown>): Promise<ConnectError> => {
      const e = await promise.then(
        () => null,
        (reason: unknown) => reason,
      );
      assert.ok(e instanceof ConnectError, String(e));
      return e;
    };
    let e = await error(connect(where, { ...to, port: 9 }));
    assert.deepEqual([e.code, e.reason], ['ECONNREFUSED', 'INVALID_SERVICE_ID']);
    void server.next().then((request) => request.reject(Buffer.from('no room')));
    e = await error(connect(where, to));
    assert.deepEqual([e.code, e.reason, text(e.privateData)], ['ECONNREFUSED', 'CONSUMER_DEFINED', 'no room']);
    assert.equal((await error(connect('::1', to))).code, 'EHOSTUNREACH');
    await assert.rejects(connect(where, { ...to, port: 0 }), { code: 'EINVAL' });
    await assert.rejects(connect(where, { ...to, privateData: Buffer.alloc(57) }), { code: 'EINVAL' });
  });

  it('a peer that is not there: ETIMEDOUT in the time that was given; AbortSignal sooner', async (t) => {
    const { to } = await pair(t);
    const nobody = uniqueAddress();
    const started = performance.now();
    await assert.rejects(connect(nobody, { ...to, responseTimeout: 12, maxCmRetries: 2 }), { code: 'ETIMEDOUT' });
    assert.ok(performance.now() - started < 10_000);
    const signal = AbortSignal.timeout(30);
    await assert.rejects(connect(nobody, { ...to, signal }), { name: 'TimeoutError' });
    await assert.rejects(connect(nobody, { ...to, signal }), { name: 'TimeoutError' });
  });

  it('the requester gives up before it is answered: the server is told', async (t) => {
    const { b, server, to } = await pair(t);
    const stop = new AbortController();
    const connecting = connect(addressOf(b), { ...to, signal: stop.signal });
    const request = await server.next();
    stop.abort(new Error('enough'));
    await assert.rejects(connecting, { message: 'enough' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    await assert.rejects(request.accept());
    await assert.rejects(request.accept(), { code: 'EINVAL' });
  });

  it('ports: taken, not ours, for some only', async (t) => {
    const { b, server } = await pair(t);
    assert.throws(() => listen({ device: b, port: server.port }), { code: 'EADDRINUSE' });
    assert.throws(() => listen({ device: b, address: '192.0.2.7' }), { code: 'EADDRNOTAVAIL' });
    assert.throws(() => listen({ device: b, port: 70000 }), { code: 'EINVAL' });
    if (process.geteuid?.() !== 0) assert.throws(() => listen({ device: b, port: 80 }), { code: 'EACCES' });
    const { port } = server;
    server.close();
    listen({ device: b, port }).close();
  });

  it('a server that is closed, or aborted, tells those who wait', async (t) => {
    const { b, server } = await pair(t);
    const next = server.next();
    const gathered = acceptAll(server);
    await assert.rejects(server.next({ signal: AbortSignal.timeout(10) }), { name: 'TimeoutError' });
    server.close();
    await assert.rejects(next, { code: 'ECANCELED' });
    assert.deepEqual(await gathered, []);
    const stop = new AbortController();
    const other = listen({ device: b, signal: stop.signal });
    const waiting = other.next();
    stop.abort();
    await assert.rejects(waiting, { code: 'ECANCELED' });
  });

  it('a device that is closed: connections end on both sides, and nobody waits for ever', async (t) => {
    const [address, other] = uniqueAddresses(2);
    const a = await openDevice({ address });
    const b = await openDevice({ address: other });
    t.after(() => a.close());
    const server = listen({ device: b });
    const [client, peer] = await Promise.all([
      connect(other, { device: a, port: server.port }),
      server.next().then((request) => request.accept()),
    ]);
    const waiting = server.next();
    const pending = connect(other, { device: a, port: server.port, responseTimeout: 12, maxCmRetries: 2 });
    await b.close();
    await assert.rejects(waiting, { code: 'ECANCELED' });
    await Promise.all([client.closed, peer.closed, assert.rejects(pending)]);
  });
});

describe('many', () => {
  it('a hundred connections at once', async (t) => {
    const { b, server, to } = await pair(t);
    const accepted = acceptAll(server);
    const clients = await Promise.all(Array.from({ length: 100 }, () => connect(addressOf(b), to)));
    server.close();
    const peers = await accepted;
    assert.equal(peers.length, 100);
    for (const client of clients) client.qp.postSend({ opcode: 'RDMA_WRITE' });
    for (const client of clients) (await client.sendCq.next()).orThrow();
    await Promise.all(clients.map((c) => c.disconnect()));
    await Promise.all(peers.map((p) => p.closed));
    for (const c of [...clients, ...peers]) c.close();
  });

  // All ten thousand: CHURN=10000 node --test test/api/connect.test.ts
  const churn = Number(process.env.CHURN ?? 500);
  it(`${churn} connections that come and go leave nothing behind`, async (t) => {
    const { a, b, server, to } = await pair(t);
    const peers = (async () => {
      for await (const request of server) {
        void request.accept().then(async (peer) => {
          await peer.closed;
          peer.close();
        });
      }
    })();
    let left = churn;
    const worker = async (): Promise<void> => {
      while (left-- > 0) {
        const client = await connect(addressOf(b), to);
        await client.disconnect();
        client.close();
      }
    };
    await Promise.all(Array.from({ length: 20 }, worker));
    server.close();
    await peers;
    await new Promise((resolve) => setTimeout(resolve, 200));
    const left2 = (device: Device): number => device.resources().filter((r) => r.owner !== 'cm').length;
    assert.deepEqual([left2(a), left2(b)], [0, 0]);
  });
});

it('a process that vanishes without a word: the next request fails, and its address and port can be had again', async (t) => {
  const [address, other] = uniqueAddresses(2);
  const device = await openDevice({ address });
  t.after(() => device.close());
  const program = `
    import { openDevice, listen } from '${API}';
    const device = await openDevice({ address: '${other}' });
    const server = listen({ device, port: 7471 });
    console.log('listening');
    for await (const request of server) await request.accept();`;
  const start = async (): Promise<ReturnType<typeof spawn>> => {
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    await once(child.stdout!, 'data');
    return child;
  };
  const first = await start();
  const connection = await connect(other, { device, port: 7471, ackTimeout: 8, retryCnt: 3 });
  first.kill('SIGKILL');
  await once(first, 'exit');
  connection.qp.postSend({ opcode: 'RDMA_WRITE' });
  const wc = await connection.sendCq.next();
  assert.equal(wc.status, 'RETRY_EXC_ERR');
  connection.close();
  await start();
  const again = await connect(other, { device, port: 7471 });
  again.qp.postSend({ opcode: 'RDMA_WRITE' });
  (await again.sendCq.next()).orThrow();
  again.close();
});
