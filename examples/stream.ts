// Files over RDMA, written as one writes to any stream. Run: node stream.ts
import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { connectSocket, listenSocket, openDevice } from 'infinitive';

await using serverDevice = await openDevice({ address: '127.0.0.2' });
await using clientDevice = await openDevice({ address: '127.0.0.1' });

// The server compresses what it gets, and sends it back.
using server = listenSocket({ device: serverDevice, port: 7471, allowHalfOpen: true });
const serving = (async () => {
  for await (const socket of server) await pipeline(socket, createGzip(), socket);
})();

const socket = await connectSocket('127.0.0.2', { device: clientDevice, port: 7471, allowHalfOpen: true });
const bytes = Buffer.alloc(5_000_000, 'RDMA ');
socket.end(bytes);

const back = createHash('sha256');
await pipeline(socket, createGunzip(), back);
const same = back.digest('hex') === createHash('sha256').update(bytes).digest('hex');
console.log(
  `${socket.bytesWritten} bytes there; packed a hundred to one: ${socket.bytesRead * 100 < socket.bytesWritten}`,
);
console.log(same ? 'unpacked they are the same' : 'they differ');
server.close();
await serving;
