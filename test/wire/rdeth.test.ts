import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emitRdEth, formatRdEth, parseRdEth } from '../../src/wire/rdeth.ts';
import { assertHeader } from './support.ts';

test('layout', () => {
  assertHeader('aa123456', { resv8: 0xaa, eecn: 0x123456 }, parseRdEth, emitRdEth);
  assert.equal(formatRdEth({ resv8: 0, eecn: 7 }), 'EEC 0x7');
});
