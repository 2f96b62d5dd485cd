import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emitIeth, formatIeth, IETH_LEN, iethRkey, parseIeth, writeIeth } from '../../src/wire/ieth.ts';
import { assertHeader } from './support.ts';

test('layout, writer, getter', () => {
  assertHeader('80002c6d', { rkey: 0x80002c6d }, parseIeth, emitIeth);
  const buf = Buffer.alloc(IETH_LEN + 2, 0xee);
  writeIeth(buf, 1, 0x80002c6d);
  assert.equal(buf.toString('hex'), 'ee80002c6dee');
  assert.equal(iethRkey(buf, 1), 0x80002c6d);
  assert.equal(formatIeth({ rkey: 0x2c6d }), 'Invalidate RKey 0x2c6d');
});
