import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WireError } from '../../src/wire/error.ts';
import { formatMac, parseEthernet, writeEthernet } from '../../src/wire/ethernet.ts';
import { ok } from './support.ts';

const DST = Buffer.from('525400770001', 'hex');
const SRC = Buffer.from('525400770002', 'hex');

test('layout', () => {
  const buf = Buffer.alloc(15, 0xee);
  writeEthernet(buf, 1, DST, SRC, 0x0800);
  assert.equal(buf.toString('hex'), 'ee5254007700015254007700020800');
  const eth = ok(parseEthernet(buf, 1));
  assert.deepEqual(
    [formatMac(eth.dst), formatMac(eth.src), eth.etherType, eth.length, eth.vlans],
    ['52:54:00:77:00:01', '52:54:00:77:00:02', 0x0800, 14, []],
  );
});

test('VLAN tags, also stacked, are skipped', () => {
  const eth = ok(parseEthernet(Buffer.from(`${'00'.repeat(12)}88a800648100a00586dd`, 'hex'), 0));
  assert.deepEqual([eth.vlans, eth.etherType, eth.length], [[0x64, 0xa005], 0x86dd, 22]);
});

test('cut headers are errors', () => {
  assert.equal((parseEthernet(Buffer.alloc(13), 0) as WireError).code, 'truncated');
  const cut = Buffer.from(`${'00'.repeat(12)}81000064`, 'hex');
  assert.equal((parseEthernet(cut, 0) as WireError).code, 'truncated');
});
