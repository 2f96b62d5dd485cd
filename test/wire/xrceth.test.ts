import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emitXrcEth, formatXrcEth, parseXrcEth, writeXrcEth, XRCETH_LEN, xrcEthSrq } from '../../src/wire/xrceth.ts';
import { assertHeader } from './support.ts';

test('layout, writer, getter', () => {
  assertHeader('aa123456', { resv8: 0xaa, srq: 0x123456 }, parseXrcEth, emitXrcEth);
  const buf = Buffer.alloc(XRCETH_LEN + 2, 0xee);
  writeXrcEth(buf, 1, 0xabcdef);
  assert.equal(buf.toString('hex'), 'ee00abcdefee');
  assert.equal(xrcEthSrq(buf, 1), 0xabcdef);
  assert.equal(formatXrcEth({ resv8: 0, srq: 7 }), 'XRCSRQ 0x7');
});
