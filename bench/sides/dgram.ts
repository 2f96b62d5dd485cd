// A ping-pong of node:dgram sockets: node dgram.ts SERVER-IP CLIENT-IP SIZE SECONDS
// Prints the median of half a round trip in µs.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { client, isServer, median, startServer } from './pair.ts';

const [serverIp, clientIp, size, seconds] = process.argv.slice(2);
const socket = createSocket('udp4').bind(0, isServer ? serverIp : clientIp);
await once(socket, 'listening');

if (isServer) {
  socket.on('message', (message, { port, address }) => socket.send(message, port, address));
  client().send({ port: socket.address().port });
  process.once('disconnect', () => socket.close());
} else {
  const server = startServer(import.meta.url);
  const { port } = await server.receive<{ port: number }>();
  socket.connect(port, serverIp);
  await once(socket, 'connect');
  const ping = Buffer.alloc(Number(size), 1);
  const times: number[] = [];
  let start = performance.now();
  const end = start + Number(seconds) * 1000;
  await new Promise<void>((resolve) => {
    socket.on('message', () => {
      const now = performance.now();
      times.push((now - start) * 500);
      if (now > end) return resolve();
      start = now;
      socket.send(ping);
    });
    socket.send(ping);
  });
  console.log(JSON.stringify({ us: median(times.slice(times.length >> 2)) }));
  socket.close();
  await server.end();
}
