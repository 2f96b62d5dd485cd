// Connection set-up between two processes: node connect.ts SERVER-IP CLIENT-IP COUNT
// Prints the median time of connect(), in ms; each connection is ended before the next. Before that come as many that are not measured,
// in which the code of both ends is compiled.
import { connect, listen, openDevice } from '../../src/api/index.ts';
import { client, isServer, median, startServer } from './pair.ts';

const [serverIp, clientIp, count] = process.argv.slice(2);
const device = await openDevice({ address: isServer ? serverIp : clientIp });

if (isServer) {
  const server = listen({ device });
  client().send({ port: server.port });
  process.once('disconnect', () => server.close());
  for await (const request of server) {
    const connection = await request.accept();
    void connection.closed.then(() => connection.close());
  }
} else {
  const server = startServer(import.meta.url);
  const { port } = await server.receive<{ port: number }>();
  const times: number[] = [];
  for (let i = 0; i < 2 * Number(count); i++) {
    const start = performance.now();
    const connection = await connect(serverIp, { device, port });
    times.push(performance.now() - start);
    await connection.disconnect();
    connection.close();
  }
  console.log(JSON.stringify({ ms: median(times.slice(Number(count))) }));
  await server.end();
}
await device.close();
