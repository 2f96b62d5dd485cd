// Unreliable datagrams: one queue pair talks with many. Run: node datagrams.ts
import { type Device, openDevice } from 'infinitive';

const QKEY = 0x1234;
/** A received datagram begins with room for a global route header. */
const GRH = 40;

await using server = await openDevice({ address: '127.0.0.1' });
await using clients = await openDevice({ address: '127.0.0.2' });

function datagramSocket(device: Device) {
  const pd = device.allocPd();
  const cq = device.createCq();
  const mr = pd.regMr(Buffer.alloc(16 * 1024));
  const qp = pd.createQp({ type: 'UD', sendCq: device.createCq(), recvCq: cq });
  qp.activate({ qkey: QKEY });
  for (let i = 0; i < 16; i++) qp.postRecv({ wrId: i, sge: mr.sge(1024 * i, 1024) });
  return { pd, cq, mr, qp };
}

// The server echoes, in capitals, to whom it heard from.
const echo = datagramSocket(server);
const serve = async (): Promise<void> => {
  const ah = echo.pd.createAh({ gid: '127.0.0.2' });
  for await (const wc of echo.cq) {
    const at = 1024 * wc.wrId;
    const text = echo.mr.buffer.toString('utf8', at + GRH, at + wc.byteLen);
    console.log(`server: "${text}" from QP of client ${sockets.findIndex(({ qp }) => qp.qpn === wc.srcQp)}`);
    const answer = Buffer.from(text.toUpperCase());
    echo.qp.postSend({ opcode: 'SEND', inline: answer, ah, remoteQpn: wc.srcQp, remoteQkey: QKEY });
    echo.qp.postRecv({ wrId: wc.wrId, sge: echo.mr.sge(at, 1024) });
  }
};

const sockets = [datagramSocket(clients), datagramSocket(clients), datagramSocket(clients)];
const serving = serve();
for (const [i, { pd, cq, mr, qp }] of sockets.entries()) {
  const ah = pd.createAh({ gid: echo.qp.endpoint().gid });
  const text = Buffer.from(`I am client ${i}`);
  qp.postSend({ opcode: 'SEND', inline: text, ah, remoteQpn: echo.qp.qpn, remoteQkey: QKEY });
  const wc = (await cq.next()).orThrow();
  console.log(`client ${i}: "${mr.buffer.toString('utf8', GRH, wc.byteLen)}"`);
}
// Ends the server's loop.
await server.close();
await serving;
