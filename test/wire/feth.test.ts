import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  emitFeth,
  FETH_LEN,
  FLUSH_GLOBAL,
  FLUSH_MR,
  FLUSH_PERSISTENT,
  FLUSH_RANGE,
  fethPlt,
  fethSel,
  formatFeth,
  parseFeth,
  writeFeth,
} from '../../src/wire/feth.ts';
import { assertHeader } from './support.ts';

test('layout, writer, getters', () => {
  assertHeader('00000012', { plt: 2, sel: 1, resv26: 0 }, parseFeth, emitFeth);
  assertHeader('ffffffc1', { plt: 1, sel: 0, resv26: 0x3ffffff }, parseFeth, emitFeth);
  const buf = Buffer.alloc(FETH_LEN + 2, 0xee);
  writeFeth(buf, 1, FLUSH_GLOBAL | FLUSH_PERSISTENT, FLUSH_MR);
  assert.equal(buf.toString('hex'), 'ee00000013ee');
  assert.equal(fethPlt(buf, 1), FLUSH_GLOBAL | FLUSH_PERSISTENT);
  assert.equal(fethSel(buf, 1), FLUSH_MR);
  assert.equal(formatFeth({ plt: 3, sel: FLUSH_MR, resv26: 0 }), 'Flush global+persistent MR');
  assert.equal(formatFeth({ plt: 0, sel: FLUSH_RANGE, resv26: 0 }), 'Flush nothing range');
});
