// A server that lets whoever connects READ from its memory. Where, it says with its acceptance. Run: node connect.ts
import { connect, listen, openDevice } from 'infinitive';

await using serverDevice = await openDevice({ address: '127.0.0.2' });
await using clientDevice = await openDevice({ address: '127.0.0.1' });

// The server: one region for all, and an answer for each who asks.
const pd = serverDevice.allocPd();
const book = pd.regMr(Buffer.from('All animals are equal, but some have RDMA.'), { access: ['REMOTE_READ'] });
using server = listen({ device: serverDevice, port: 7471 });

async function serve(): Promise<void> {
  for await (const request of server) {
    const name = request.privateData.toString('utf8', 0, request.privateData.indexOf(0));
    if (name !== 'reader') {
      request.reject(Buffer.from('readers only'));
      continue;
    }
    const { addr, rkey, length } = book.remote();
    const where = Buffer.alloc(16);
    where.writeBigUInt64BE(BigInt(addr));
    where.writeUInt32BE(rkey, 8);
    where.writeUInt32BE(length, 12);
    const connection = await request.accept({ pd, privateData: where });
    console.log(`server: ${connection.remote.address} reads`);
    void connection.closed.then(() => connection.close());
  }
}
const serving = serve();

// The client. Its queue pair is ready when connect returns.
await using connection = await connect('127.0.0.2', {
  device: clientDevice,
  port: server.port,
  privateData: Buffer.from('reader'),
});
const where = connection.privateData;
const length = where.readUInt32BE(12);
const page = connection.pd.regMr(Buffer.alloc(length));
connection.qp.postSend({
  opcode: 'RDMA_READ',
  sge: page.sge(),
  remoteAddr: where.readBigUInt64BE(),
  rkey: where.readUInt32BE(8),
});
(await connection.sendCq.next()).orThrow();
console.log(`client: ${page.buffer}`);
await connection.disconnect();

try {
  await connect('127.0.0.2', { device: clientDevice, port: server.port, privateData: Buffer.from('writer') });
} catch (error) {
  const { code, privateData } = error as { code: string; privateData: Buffer };
  console.log(`client: ${code}: ${privateData.toString('utf8', 0, privateData.indexOf(0))}`);
}
server.close();
await serving;
