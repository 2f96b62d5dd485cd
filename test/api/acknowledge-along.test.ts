// Acknowledgements that leave with the answer: what a message of a ping-pong costs in system calls.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CompletionQueue, type Device, openDevice, type QueuePair } from '../../src/api/index.ts';
import { uniqueAddresses } from '../helpers/address.ts';

const COUNT = 500;

interface End {
  readonly device: Device;
  readonly cq: CompletionQueue;
  readonly qp: QueuePair;
  post(): void;
  receive(): void;
}

async function end(address: string): Promise<End> {
  const device = await openDevice({ address, link: 'udp' });
  const pd = device.allocPd();
  const cq = device.createCq();
  const mr = pd.regMr(Buffer.alloc(64), { access: ['LOCAL_WRITE'] });
  const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq });
  const post = (): void => qp.postSend({ opcode: 'SEND', sge: mr.sge() });
  const receive = (): void => qp.postRecv({ sge: mr.sge() });
  return { device, cq, qp, post, receive };
}

test('who answers at once sends the acknowledgement with the answer', {
  skip: process.platform !== 'linux',
}, async () => {
  const [here, there] = uniqueAddresses(2);
  const ends = [await end(here), await end(there)];
  const [a, b] = ends;
  a.qp.connect(b.qp.endpoint());
  b.qp.connect(a.qp.endpoint());
  let received = 0;
  for (const { receive } of ends) receive();
  a.post();
  // In turns: each finds at its first look what the other has sent, and answers. Nobody has time to spare.
  for (let i = 0; received < COUNT && i < 100 * COUNT; i++) {
    const { cq, post, receive } = ends[(i + 1) % 2];
    for (const wc of cq.poll()) {
      wc.orThrow();
      if (wc.opcode !== 'RECV') continue;
      received++;
      receive();
      post();
    }
  }
  assert.equal(received, COUNT);
  for (const { device } of ends) {
    const { txPackets, txSyscalls, rxSyscalls } = device.counters.link;
    // A message and an acknowledgement for each that was received here.
    assert.ok(txPackets >= COUNT - 4, `${txPackets} packets`);
    assert.ok(txSyscalls < 0.6 * txPackets, `${txSyscalls} system calls for ${txPackets} packets`);
    assert.ok(rxSyscalls < 1.2 * txPackets, `${rxSyscalls} to receive`);
    await device.close();
  }
});
