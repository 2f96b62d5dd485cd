import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WireError } from '../../src/wire/error.ts';
import { parseUdp, writeUdp } from '../../src/wire/udp.ts';

test('layout and errors', () => {
  const buf = Buffer.alloc(10, 0xee);
  writeUdp(buf, 1, 0xc0de, 4791, 300);
  assert.equal(buf.toString('hex'), 'eec0de12b7012c0000ee');
  assert.deepEqual(parseUdp(buf, 1), { sport: 0xc0de, dport: 4791, length: 300, checksum: 0 });
  assert.equal((parseUdp(buf, 3) as WireError).code, 'truncated');
  writeUdp(buf, 1, 1, 1, 7);
  assert.equal((parseUdp(buf, 1) as WireError).code, 'bad-length');
});
