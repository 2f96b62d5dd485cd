import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CNP_LEN, emitCnp, parseCnp, writeCnp } from '../../src/wire/cnp.ts';
import { decodeRoce } from '../../src/wire/packet.ts';
import { assertHeader, ok } from './support.ts';

test('layout', () => {
  const reserved = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
  assertHeader(reserved.toString('hex'), { reserved }, parseCnp, emitCnp);
});

test('a whole CNP: BTH with BECN, sixteen zeros', () => {
  const buf = Buffer.alloc(CNP_LEN + 4, 0xee);
  writeCnp(buf, 0, 0x40, 0xffff, 0x123456);
  assert.equal(buf.toString('hex', 0, 12), '8140ffff4012345600000000');
  assert.deepEqual(buf.subarray(12, 28), Buffer.alloc(16));
  assert.deepEqual(buf.subarray(28), Buffer.alloc(4, 0xee));
  const packet = ok(decodeRoce(buf));
  assert.equal(packet.name, 'CNP');
  assert.ok(packet.bth.becn && !packet.bth.fecn && packet.payload.length === 0);
});
