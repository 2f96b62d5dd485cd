// device.extension: a driver's methods, with the objects of this package.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDevice, psm, psm2 } from '../../src/api/index.ts';
import { lidAddresses } from '../helpers/address.ts';

const UUID = Buffer.alloc(16, 7);

test('the methods of an extension take objects of the API, and are counted with the rest', async (t) => {
  const device = await openDevice({ driver: 'hfi1', address: lidAddresses(1)[0] });
  t.after(() => device.close());
  const methods = device.extension(psm2);
  assert.ok(Object.isFrozen(methods));
  const pd = device.allocPd();
  const { endpoint, epid } = methods.open({ pd, uuid: UUID });
  assert.ok(epid > 0);
  assert.ok(device.resources().some(({ kind }) => (kind as string) === 'extension'));
  assert.throws(() => pd.close(), { code: 'EBUSY' }, 'the endpoint stands on it');
  const mr = pd.regMr(Buffer.alloc(64));
  const span = { endpoint, mr, offset: 0, length: 64, tag: Buffer.alloc(12), select: Buffer.alloc(12) };
  const { request } = methods.irecv(span);
  assert.deepEqual(methods.test({ request }).done, 0);
  assert.throws(() => mr.close(), { code: 'EBUSY' });
  assert.equal(methods.cancel({ request }).cancelled, 1);
  methods.requestFree({ request });
  mr.close();
  // By handle, too.
  methods.progress({ endpoint: endpoint.handle });
  // @ts-expect-error A region is no protection domain.
  assert.throws(() => methods.open({ pd: 17n, uuid: UUID }), { code: 'EINVAL' });
  assert.throws(() => methods.open({ pd, uuid: Buffer.alloc(3) }), { code: 'EINVAL', message: /uuid/ });
  methods.close({ endpoint });
  pd.close();
});

test('a device that has it not: EPROTONOSUPPORT', async (t) => {
  const [address, other] = lidAddresses(2);
  const rxe = await openDevice({ address });
  const qib = await openDevice({ driver: 'qib', address: other });
  t.after(() => Promise.all([rxe.close(), qib.close()]));
  const message = /device rxe\d has no extension psm2/;
  assert.throws(() => rxe.extension(psm2), { name: 'VerbsError', code: 'EPROTONOSUPPORT', message });
  assert.throws(() => qib.extension(psm2), { code: 'EPROTONOSUPPORT' });
  assert.equal(typeof qib.extension(psm).isend, 'function');
});
