// One-sided operations: WRITE, READ and atomics on the memory of a peer whose program does nothing meanwhile.
// Run: node remote-memory.ts
import { openDevice } from 'infinitive';

await using server = await openDevice({ address: '127.0.0.1' });
await using client = await openDevice({ address: '127.0.0.2' });

// The server opens 4 KiB to its peer, and tells address, length and key of it.
const serverPd = server.allocPd();
const shared = serverPd.regMr(Buffer.alloc(4096), {
  access: ['LOCAL_WRITE', 'REMOTE_WRITE', 'REMOTE_READ', 'REMOTE_ATOMIC'],
});
const serverQp = serverPd.createQp({ type: 'RC', sendCq: server.createCq() });
const { addr, rkey } = shared.remote();

const pd = client.allocPd();
const cq = client.createCq();
const mr = pd.regMr(Buffer.alloc(4096));
const qp = pd.createQp({ type: 'RC', sendCq: cq });
qp.connect(serverQp.endpoint());
serverQp.connect(qp.endpoint());

// Small data may go inline: it need not be registered.
qp.postSend({ opcode: 'RDMA_WRITE', inline: Buffer.from('written from afar'), remoteAddr: addr + 64, rkey });
(await cq.next()).orThrow();
console.log(`the server's memory: "${shared.buffer.toString('utf8', 64, 81)}"`);

qp.postSend({ opcode: 'RDMA_READ', sge: mr.sge(0, 17), remoteAddr: addr + 64, rkey });
(await cq.next()).orThrow();
console.log(`read back: "${mr.buffer.toString('utf8', 0, 17)}"`);

// Atomic operations work on 8 bytes, and return what was there before.
for (let i = 0; i < 3; i++) {
  qp.postSend({ opcode: 'ATOMIC_FETCH_AND_ADD', sge: mr.sge(128, 8), remoteAddr: addr, rkey, compareAdd: 5n });
  (await cq.next()).orThrow();
}
console.log(`the counter was ${mr.buffer.readBigUInt64LE(128)}, and is ${shared.buffer.readBigUInt64LE(0)}`);
qp.postSend({
  opcode: 'ATOMIC_CMP_AND_SWP',
  sge: mr.sge(128, 8),
  remoteAddr: addr,
  rkey,
  compareAdd: 15n,
  swap: 100n,
});
(await cq.next()).orThrow();
console.log(`it was ${mr.buffer.readBigUInt64LE(128)}, so it is ${shared.buffer.readBigUInt64LE(0)} now`);

// What the peer did not allow is refused, and ends the connection.
qp.postSend({ opcode: 'RDMA_READ', sge: mr.sge(0, 8), remoteAddr: addr + 4096, rkey });
const refused = await cq.next();
console.log(`beyond the region: ${refused.status}`);
