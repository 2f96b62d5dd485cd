import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decode, encode } from '../../../src/cli/pingpong/exchange.ts';

// Taken from the TCP connection of two ibv_rc_pingpong -g 1 (Debian 12, rdma_rxe).
const SEEN = '0000:000011:0ae8f1:00000000000000000000ffff0a4d0002';

test('what ibv_rc_pingpong sends', () => {
  const destination = { lid: 0, qpn: 0x11, psn: 0x0ae8f1, gid: '::ffff:10.77.0.2' };
  assert.deepEqual(decode(SEEN), destination);
  assert.equal(encode(destination), SEEN);
});

test('no GID', () => {
  assert.equal(decode(`0000:000011:0ae8f1:${'0'.repeat(32)}`).gid, '::');
});

test('any destination comes back', () => {
  fc.assert(
    fc.property(
      fc.nat(0xffff),
      fc.nat(0xffffff),
      fc.nat(0xffffff),
      fc.oneof(
        fc.ipV4().map((ip) => `::ffff:${ip}`),
        fc.constant('fe80::5054:ff:fe77:7'),
        fc.constant('fd77::8'),
      ),
      (lid, qpn, psn, gid) => {
        const destination = { lid, qpn, psn, gid };
        assert.deepEqual(decode(encode(destination)), destination);
      },
    ),
    { seed: 4791 },
  );
});

test('anything else is refused', () => {
  for (const text of ['', SEEN.slice(1), `${SEEN}0`, SEEN.replace('f', 'g'), SEEN.replaceAll(':', ';')]) {
    assert.throws(() => decode(text), /not one of the ibv_\*_pingpong family/);
  }
});
