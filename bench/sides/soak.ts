// Many SENDs of 64 bytes: node --expose-gc soak.ts SERVER-IP CLIENT-IP MESSAGES
// Prints by how many MiB heap and resident set have grown from a tenth on, on the side where they did more.
import { type Completion, openDevice, type QpEndpoint } from '../../src/api/index.ts';
import { client, isServer, serve, startServer } from './pair.ts';

const SIZE = 64;
const DEPTH = 128;
const RECEIVES = 512;
const BATCH = 16;
const MIB = 1 << 20;

const [serverIp, clientIp, messages] = process.argv.slice(2);
const device = await openDevice({ address: isServer ? serverIp : clientIp });
const pd = device.allocPd();
const cq = device.createCq({ cqe: 2 * (DEPTH + RECEIVES) });
const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq, maxSendWr: 2 * DEPTH, maxRecvWr: RECEIVES });
const mr = pd.regMr(Buffer.alloc(SIZE));
const done: Completion[] = [];

interface Memory {
  readonly heap: number;
  readonly rss: number;
}
function memory(): Memory {
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: (heapUsed + external) / MIB, rss: rss / MIB };
}

if (isServer) {
  const peer = client();
  const recv = qp.recvWr({ sge: mr.sge() });
  qp.init();
  for (let i = 0; i < RECEIVES; i++) qp.postRecv(recv);
  qp.connect(await peer.receive<QpEndpoint>());
  peer.send(qp.endpoint());
  void (async () => {
    for (;;) {
      await peer.receive();
      peer.send(memory());
    }
  })();
  await serve(() => {
    const n = cq.pollInto(done, BATCH);
    for (let i = 0; i < n; i++) {
      done[i].orThrow();
      qp.postRecv(recv);
    }
    return n;
  });
} else {
  const server = startServer(import.meta.url);
  server.send(qp.endpoint());
  qp.connect(await server.receive<QpEndpoint>());
  const batch = Array.from({ length: BATCH }, (_, i) =>
    qp.sendWr({ opcode: 'SEND', sge: mr.sge(), signaled: i === BATCH - 1 }),
  );
  let flying = 0;
  const send = (count: number): void => {
    for (let left = count; left > 0; ) {
      for (; flying < DEPTH; flying += BATCH) qp.postSend(batch);
      const n = cq.pollInto(done, BATCH);
      for (let i = 0; i < n; i++) done[i].orThrow();
      flying -= n * BATCH;
      left -= n * BATCH;
    }
  };
  const both = async (): Promise<Memory[]> => {
    server.send({});
    return [memory(), await server.receive<Memory>()];
  };
  send(Number(messages) / 10);
  const before = await both();
  send((Number(messages) * 9) / 10);
  const after = await both();
  const growth = (key: keyof Memory): number => Math.max(...after.map((side, i) => side[key] - before[i][key]));
  console.log(JSON.stringify({ heap: growth('heap'), rss: growth('rss') }));
  await server.end();
}
await device.close();
