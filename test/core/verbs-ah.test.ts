import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gidFromText } from '../../src/core/gid-text.ts';
import { createAh, deallocPd, destroyAh, destroyCq, queryAh, queryDevice, queryPort } from '../../src/core/verbs.ts';
import { ATTRIBUTES, av, errno } from './fake-driver.ts';
import { Fixture } from './fixture.ts';

test('address handles: the vector is checked and copied, the domain is busy', (t) => {
  const f = new Fixture(t);
  const given = av({ dgid: gidFromText('239.0.0.1') });
  const ah = createAh(f.pd, given);
  given.dgid.fill(0);
  assert.deepEqual(queryAh(ah).dgid, gidFromText('239.0.0.1'));
  assert.throws(() => createAh(f.pd, av({ sgidIndex: 3 })), errno('EINVAL', /sgidIndex/));
  assert.throws(() => createAh(f.pd, given), errno('EINVAL', /zeros/));
  // A group of the other family cannot be reached either.
  assert.throws(() => createAh(f.pd, av({ dgid: gidFromText('ff0e::1') })), errno('EINVAL', /cannot be reached/));
  assert.throws(() => deallocPd(f.pd), errno('EBUSY'));
  destroyAh(ah);
  assert.throws(() => destroyAh(ah), errno('EINVAL', /destroyed/));
  destroyCq(f.cq);
  deallocPd(f.pd);
});

test('queries', (t) => {
  const f = new Fixture(t, { device: { gidTableLength: 9, pkeyTableLength: 2 } });
  assert.deepEqual(queryDevice(f.context), ATTRIBUTES);
  const port = queryPort(f.context, 1);
  assert.deepEqual([port.gidTblLen, port.pkeyTblLen, port.activeMtu], [9, 2, 3]);
  assert.throws(() => queryPort(f.context, 2), errno('EINVAL', /port is 2/));
});
