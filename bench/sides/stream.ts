// Streams, of RDMA or of TCP: node stream.ts rdma|tcp SERVER-IP CLIENT-IP SECONDS
// Prints GB/s of writes of 64 KiB, as received, and the median round trip of 64 bytes in µs. Both after half a second of the same, in
// which the code of both ends is compiled.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { connectSocket, type Device, listenSocket, openDevice } from '../../src/api/index.ts';
import { client, isServer, median, startServer } from './pair.ts';

const WRITE = 65536;
const PING = 64;
const WARM_UP_MS = 500;

const [kind, serverIp, clientIp, seconds] = process.argv.slice(2);
const ms = Number(seconds) * 1000;
let device: Device | null = null;
if (kind === 'rdma') device = await openDevice({ address: isServer ? serverIp : clientIp });

/** A listener's port, and the streams that come. */
async function accept(serve: (stream: Duplex) => void): Promise<{ port: number; close(): void }> {
  if (device !== null) {
    const server = listenSocket({ device });
    void (async () => {
      for await (const socket of server) serve(socket);
    })().catch(() => {});
    return server;
  }
  const server = createServer({ noDelay: true }, serve).listen(0, serverIp);
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, close: () => void server.close() };
}

async function open(port: number): Promise<Duplex> {
  if (device !== null) return connectSocket(serverIp, { device, port });
  const socket = connect({ port, host: serverIp, noDelay: true });
  await once(socket, 'connect');
  return socket;
}

if (isServer) {
  const peer = client();
  let streams = 0;
  const server = await accept((stream) => {
    stream.on('error', () => {});
    // The first is for round trips, the second takes all it can get.
    if (streams++ === 0) return void stream.on('data', (chunk) => stream.write(chunk));
    let bytes = 0;
    let start = 0;
    stream.on('data', ({ length }: Buffer) => {
      if (bytes === 0) start = performance.now();
      bytes += length;
    });
    stream.once('end', () => {
      peer.send({ gbps: bytes / (performance.now() - start) / 1e6 });
      stream.end();
    });
  });
  peer.send({ port: server.port });
  await once(process, 'disconnect');
  server.close();
} else {
  const server = startServer(import.meta.url);
  const { port } = await server.receive<{ port: number }>();

  const pings = await open(port);
  const ping = Buffer.alloc(PING, 1);
  let times: number[] = [];
  let missing = 0;
  let wake: () => void = () => {};
  pings.on('data', ({ length }: Buffer) => {
    missing -= length;
    if (missing === 0) wake();
  });
  for (const length of [WARM_UP_MS, ms]) {
    times = [];
    const end = performance.now() + length;
    while (performance.now() < end) {
      const start = performance.now();
      missing = PING;
      await new Promise<void>((resolve) => {
        wake = resolve;
        pings.write(ping);
      });
      times.push((performance.now() - start) * 1000);
    }
  }
  pings.destroy();

  const chunk = Buffer.alloc(WRITE, 1);
  let gbps = 0;
  for (const length of [WARM_UP_MS, ms]) {
    const bulk = await open(port);
    bulk.resume();
    const over = performance.now() + length;
    while (performance.now() < over) if (!bulk.write(chunk)) await once(bulk, 'drain');
    bulk.end();
    ({ gbps } = await server.receive<{ gbps: number }>());
    bulk.destroy();
  }
  console.log(JSON.stringify({ gbps, us: median(times) }));
  await server.end();
}
await device?.close();
