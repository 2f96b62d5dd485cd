// Two RDMA devices in one program; a SEND from one to the other. Run: node hello-send.ts
import { type Device, openDevice } from 'infinitive';

await using alice = await openDevice({ address: '127.0.0.1' });
await using bob = await openDevice({ address: '127.0.0.2' });

// What each side has: memory that is registered, a queue for completions, and a queue pair.
function prepare(device: Device) {
  const pd = device.allocPd();
  const cq = device.createCq();
  const mr = pd.regMr(Buffer.alloc(4096));
  const qp = pd.createQp({ type: 'RC', sendCq: cq });
  return { cq, mr, qp };
}
const a = prepare(alice);
const b = prepare(bob);

// An endpoint is plain data. Between two machines it would go over a socket, or any other way.
a.qp.connect(b.qp.endpoint());
b.qp.connect(a.qp.endpoint());

b.qp.postRecv({ wrId: 1, sge: b.mr.sge() });
const length = a.mr.buffer.write('hello, RDMA');
a.qp.postSend({ opcode: 'SEND', wrId: 2, sge: a.mr.sge(0, length) });

const received = (await b.cq.next()).orThrow();
console.log(
  `bob: ${received.opcode} of ${received.byteLen} bytes: ${b.mr.buffer.toString('utf8', 0, received.byteLen)}`,
);
const sent = (await a.cq.next()).orThrow();
console.log(`alice: work request ${sent.wrId} ended with ${sent.status}`);
