import assert from 'node:assert/strict';
import { SocketAddress } from 'node:net';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addressBytes,
  addressText,
  defaultAddress,
  isLinkLocal,
  localAddress,
  localAddresses,
} from '../../src/os/addresses.ts';

test('addresses survive the way to text and back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      assert.deepEqual(addressBytes(addressText(bytes)), bytes);
    }),
    { seed: 4291 },
  );
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      assert.equal(addressText(addressBytes(text)), text);
    }),
    { seed: 791 },
  );
});

test('RFC 5952: the canonical text of IPv6 addresses', () => {
  for (const [given, canonical] of [
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['::ffff:c000:0201', '::ffff:192.0.2.1'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['FE80::1%lo', 'fe80::1'],
  ]) {
    assert.equal(addressText(addressBytes(given)), canonical, given);
  }
});

test('address text agrees with what Node makes of it', () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      // The C library writes the deprecated IPv4-compatible addresses with dots, RFC 5952 does not ask for it.
      fc.pre(
        addressBytes(text)
          .subarray(0, 12)
          .some((byte) => byte !== 0),
      );
      assert.equal(addressText(addressBytes(text)), new SocketAddress({ address: text, family: 'ipv6' }).address);
    }),
    { seed: 5952, examples: [['1::8'], ['1:2:3:4:5:6:7::']] },
  );
});

test('what is not an address is refused', () => {
  for (const text of ['', 'localhost', '1.2.3', '1.2.3.4.5', '::1::', '1.2.3.256']) {
    assert.throws(() => addressBytes(text), /not an IP address/, text);
  }
});

test('the host has the addresses that the system lists', () => {
  const listed = Object.values(networkInterfaces()).flatMap((list) => list!.map((a) => a.address));
  assert.deepEqual(
    localAddresses().map((a) => a.text),
    listed,
  );
  for (const a of localAddresses()) {
    assert.equal(a.bytes.length, a.family === 4 ? 4 : 16);
    assert.equal(a.scope !== 0, isLinkLocal(a.bytes));
    assert.ok(a.mtu >= 576 && a.ifindex > 0, a.text);
  }
});

test('all of 127.0.0.0/8 is local', () => {
  const a = localAddress('127.9.8.7');
  assert.deepEqual([a.text, a.netdev, [...a.bytes]], ['127.9.8.7', localAddress('127.0.0.1').netdev, [127, 9, 8, 7]]);
  assert.throws(
    () => localAddress('203.0.113.77'),
    /203\.0\.113\.77 is not an address of this host, which has .*127\.0\.0\.1/,
  );
});

test('the default address is one of the host', () => {
  assert.equal(localAddress(defaultAddress()).text, defaultAddress());
});
