// A program that uses the driver: two devices on sockets, and what one of them sends to the other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Device, openDevice } from 'infinitive';
import { bare, meter } from 'infinitive-driver-bare';

const [here, there] = [process.env.BARE_HERE ?? '127.0.0.1', process.env.BARE_THERE ?? '127.0.0.2'];
const gidOf = (address: string): Uint8Array =>
  Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...address.split('.').map(Number));

function end(device: Device) {
  const pd = device.allocPd();
  const cq = device.createCq();
  return { cq, mr: pd.regMr(Buffer.alloc(8192)), qp: pd.createQp({ type: 'RC', sendCq: cq }) };
}

test('a meter counts what is sent to one address from when it is made', async () => {
  await using first = await openDevice({ driver: bare, address: here });
  await using second = await openDevice({ driver: bare, address: there });
  const [a, b] = [end(first), end(second)];
  a.qp.connect(b.qp.endpoint());
  b.qp.connect(a.qp.endpoint());
  const meters = first.extension(meter);
  const [to, elsewhere] = [there, here].map((address) => meters.create({ gid: gidOf(address) }).meter);
  b.qp.postRecv({ sge: b.mr.sge() });
  a.qp.postSend({ opcode: 'SEND', sge: a.mr.sge(0, 4096) });
  assert.equal((await b.cq.next()).orThrow().byteLen, 4096);
  (await a.cq.next()).orThrow();
  // Four packets of 1024 bytes, each with a BTH of 12.
  assert.deepEqual(meters.read({ meter: to }), { packets: 4, bytes: 4 * (1024 + 12) });
  assert.deepEqual(meters.read({ meter: elsewhere }), { packets: 0, bytes: 0 });
  meters.destroy({ meter: to });
  assert.throws(() => meters.read({ meter: to }), { code: 'EINVAL' });
});
