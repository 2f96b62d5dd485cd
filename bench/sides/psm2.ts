// PSM2 between two processes: node psm2.ts SERVER-IP CLIENT-IP SIZE SECONDS
// Prints the median of half a round trip in µs, and GB/s of messages to the server, both of SIZE bytes, and both after half a second of
// the same, in which the code of both ends is compiled.
import { openDevice, PsmEndpoint, type PsmPeer, type PsmRequest, psm2 } from '../../src/api/index.ts';
import { client, isServer, median, serve, startServer } from './pair.ts';

const uuid = Buffer.alloc(16, 'bench');
const PING = [1, 0, 0] as const;
const BULK = [2, 0, 0] as const;
const ALL = [0xffffffff, 0xffffffff, 0xffffffff] as const;
/** Messages under way. */
const DEPTH = 8;
const WARM_UP_MS = 500;

const [serverIp, clientIp, size, seconds] = process.argv.slice(2);
const length = Number(size);
const ms = Number(seconds) * 1000;
const device = await openDevice({ driver: 'hfi1', address: isServer ? serverIp : clientIp });
const pd = device.allocPd();
const ep = new PsmEndpoint(device.extension(psm2), { pd, uuid });
const inbox = pd.regMr(Buffer.alloc(length));
const outbox = pd.regMr(Buffer.alloc(length, 1));

const receive = (tag: typeof PING | typeof BULK): PsmRequest =>
  ep.irecv(null, [...tag], [...ALL], { mr: inbox, length });
const send = (peer: PsmPeer, tag: typeof PING | typeof BULK): PsmRequest =>
  ep.isend(peer, [...tag], { mr: outbox, length });
function spin(request: PsmRequest): void {
  while (!request.done) ep.progress();
  if (request.status !== 'ok') throw new Error(`PSM2: ${request.status}`);
}

if (isServer) {
  const other = client();
  let ping = receive(PING);
  const bulk = Array.from({ length: DEPTH * 2 }, () => receive(BULK));
  let oldest = 0;
  other.send({ epid: ep.epid });
  let peer: PsmPeer | undefined;
  await serve(() => {
    ep.progress();
    if (ping.done) {
      peer ??= ep.peers.find(({ epid }) => epid === ping.source)!;
      ping = receive(PING);
      send(peer, PING);
    }
    for (; bulk[oldest].done; oldest = (oldest + 1) % bulk.length) bulk[oldest] = receive(BULK);
    return 0;
  });
} else {
  const server = startServer(import.meta.url);
  const { epid } = await server.receive<{ epid: number }>();
  const peer = await ep.connect(epid);

  let times: number[] = [];
  for (const time of [WARM_UP_MS, ms]) {
    times = [];
    for (let now = performance.now(), end = now + time; now < end; ) {
      const start = now;
      const answer = receive(PING);
      send(peer, PING);
      spin(answer);
      now = performance.now();
      times.push((now - start) * 500);
    }
  }

  const sent = Array.from({ length: DEPTH }, () => send(peer, BULK));
  let gbps = 0;
  for (const time of [WARM_UP_MS, ms]) {
    let count = 0;
    const start = performance.now();
    for (let i = 0; performance.now() - start < time; i = (i + 1) % DEPTH, count++) {
      spin(sent[i]);
      sent[i] = send(peer, BULK);
    }
    gbps = (count * length) / (performance.now() - start) / 1e6;
  }
  for (const request of sent) spin(request);
  console.log(JSON.stringify({ us: median(times), gbps }));
  await server.end();
}
ep.close();
await device.close();
