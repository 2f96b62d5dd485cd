// Many connected queue pairs of which one is busy: node many-qps.ts SERVER-IP CLIENT-IP QPS SECONDS
// Prints millions of WRITEs of 64 bytes a second on the one, and what memory a queue pair takes on the side that takes more.
import type { Completion, ProtectionDomain, QpEndpoint, QueuePair, RemoteBuffer } from '../../src/api/index.ts';
import { openDevice } from '../../src/api/index.ts';
import { client, isServer, serve, startServer } from './pair.ts';

const SIZE = 64;
const DEPTH = 128;
const BATCH = 16;
/** What idle ones have: little. */
const CAP = { maxSendWr: 4, maxRecvWr: 4, maxSendSge: 1, maxRecvSge: 1 };

const [serverIp, clientIp, count, seconds] = process.argv.slice(2);
const qps = Number(count);

const device = await openDevice({ address: isServer ? serverIp : clientIp });
const pd = device.allocPd();
const cq = device.createCq({ cqe: 4 * DEPTH });

function residentSet(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

/** All of them; the busy one is in the middle. */
function makeQps(domain: ProtectionDomain): QueuePair[] {
  return Array.from({ length: qps }, (_, i) =>
    domain.createQp({
      type: 'RC',
      sendCq: cq,
      recvCq: cq,
      ...CAP,
      maxSendWr: i === qps >> 1 ? 2 * DEPTH : CAP.maxSendWr,
    }),
  );
}

const before = residentSet();
const made = makeQps(pd);

interface Hello {
  readonly endpoints: QpEndpoint[];
  readonly memory?: RemoteBuffer;
  readonly kib?: number;
}
const endpoints = made.map((qp) => qp.endpoint());

function connectAll(peers: readonly QpEndpoint[]): number {
  made.forEach((qp, i) => {
    qp.connect(peers[i]);
  });
  return (residentSet() - before) / 1024 / qps;
}

if (isServer) {
  const peer = client();
  const memory = pd.regMr(Buffer.alloc(SIZE), { access: ['LOCAL_WRITE', 'REMOTE_WRITE'] }).remote();
  const { endpoints: theirs } = await peer.receive<Hello>();
  const kib = connectAll(theirs);
  peer.send({ endpoints, memory, kib });
  const done: Completion[] = [];
  await serve(() => cq.pollInto(done, 1));
} else {
  const server = startServer(import.meta.url);
  server.send({ endpoints });
  const hello = await server.receive<Required<Hello>>();
  const kib = connectAll(hello.endpoints);
  const qp = made[qps >> 1];
  const mr = pd.regMr(Buffer.alloc(SIZE));
  const { addr, rkey } = hello.memory;
  const write = { opcode: 'RDMA_WRITE', sge: mr.sge(), remoteAddr: addr, rkey } as const;
  const batch = Array.from({ length: BATCH }, (_, i) => qp.sendWr({ ...write, signaled: i === BATCH - 1 }));
  const done: Completion[] = [];
  let flying = 0;

  const run = (ms: number): number => {
    const start = performance.now();
    let count = 0;
    while (performance.now() - start < ms) {
      for (; flying < DEPTH; flying += BATCH) qp.postSend(batch);
      const n = cq.pollInto(done, BATCH);
      for (let i = 0; i < n; i++) done[i].orThrow();
      flying -= n * BATCH;
      count += n * BATCH;
    }
    return count / (performance.now() - start) / 1000;
  };
  const ms = Number(seconds) * 1000;
  // The code of both ends is compiled meanwhile.
  run(500);
  console.log(JSON.stringify({ rate: run(ms), kib: Math.max(kib, hello.kib) }));
  await server.end();
}
await device.close();
