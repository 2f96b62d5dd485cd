import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DETH_LEN, dethQkey, dethSqpn, emitDeth, formatDeth, parseDeth, writeDeth } from '../../src/wire/deth.ts';
import { assertHeader } from './support.ts';

// Q_Key and QPN of a CM MAD in rxe-rping.pcap, as tshark reads them.
test('layout', () => {
  assertHeader('8001000000000001', { qkey: 0x80010000, resv8: 0, sqpn: 1 }, parseDeth, emitDeth);
  assertHeader('11111111aa654321', { qkey: 0x11111111, resv8: 0xaa, sqpn: 0x654321 }, parseDeth, emitDeth);
});

test('hot-path writer and getters', () => {
  const buf = Buffer.alloc(DETH_LEN + 2, 0xee);
  writeDeth(buf, 1, 0x80010000, 0xabcdef);
  assert.equal(buf.toString('hex'), 'ee8001000000abcdefee');
  assert.equal(dethQkey(buf, 1), 0x80010000);
  assert.equal(dethSqpn(buf, 1), 0xabcdef);
  assert.equal(formatDeth({ qkey: 0x80010000, resv8: 0, sqpn: 1 }), 'QKey 0x80010000 SrcQPN 0x1');
});
