import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emitImmDt, formatImmDt, IMMDT_LEN, immDt, parseImmDt, writeImmDt } from '../../src/wire/immdt.ts';
import { assertHeader } from './support.ts';

test('layout, writer, getter', () => {
  assertHeader('80000180', { imm: 0x80000180 }, parseImmDt, emitImmDt);
  const buf = Buffer.alloc(IMMDT_LEN + 2, 0xee);
  writeImmDt(buf, 1, 0x80000180);
  assert.equal(buf.toString('hex'), 'ee80000180ee');
  assert.equal(immDt(buf, 1), 0x80000180);
  assert.equal(formatImmDt({ imm: 0x12 }), 'Imm 0x00000012');
});
