import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { WireError } from '../../src/wire/error.ts';
import { formatIp, internetChecksum, isFragment, parseIp, writeIpv4, writeIpv6 } from '../../src/wire/ip.ts';
import { ok } from './support.ts';

const A4 = Buffer.from([10, 0, 0, 1]);
const B4 = Buffer.from([192, 168, 255, 254]);

test('IPv4: what is written is parsed, the checksum adds up to zero', () => {
  const buf = Buffer.alloc(40);
  writeIpv4(buf, 3, A4, B4, 0x2e, 17, 0xbeef, true, 1000);
  assert.equal(internetChecksum(buf, 3, 20), 0);
  const ip = ok(parseIp(buf, 3));
  assert.deepEqual(
    { ...ip, src: formatIp(ip.src), dst: formatIp(ip.dst) },
    {
      version: 4,
      src: '10.0.0.1',
      dst: '192.168.255.254',
      protocol: 17,
      ttl: 17,
      tos: 0x2e,
      headerLength: 20,
      payloadLength: 1000,
      id: 0xbeef,
      fragment: 0x4000,
      flowLabel: 0,
    },
  );
  assert.ok(!isFragment(ip));
  buf[3 + 6] = 0x20;
  assert.ok(isFragment(ok(parseIp(buf, 3))));
});

test('the checksum of RFC 1071’s example', () => {
  assert.equal(internetChecksum(Buffer.from('0001f203f4f5f6f7', 'hex'), 0, 8), ~0xddf2 & 0xffff);
});

test('IPv6: what is written is parsed', () => {
  const src = Buffer.from('20010db8000000000000000000000001', 'hex');
  const buf = Buffer.alloc(50);
  writeIpv6(buf, 2, src, src, 0xb9, 0xabcde, 33, 777);
  const ip = ok(parseIp(buf, 2));
  assert.deepEqual(
    [ip.version, ip.protocol, ip.ttl, ip.tos, ip.headerLength, ip.payloadLength, ip.flowLabel, formatIp(ip.src)],
    [6, 17, 33, 0xb9, 40, 777, 0xabcde, '2001:db8::1'],
  );
});

test('malformed headers are typed errors', () => {
  const code = (hex: string): string => (parseIp(Buffer.from(hex, 'hex'), 0) as WireError).code;
  assert.equal(code(''), 'truncated');
  assert.equal(code('45'), 'truncated');
  assert.equal(code('60'.padEnd(78, '0')), 'truncated');
  assert.equal(code('50'.padEnd(80, '0')), 'bad-value');
  assert.equal(code('44000014'.padEnd(40, '0')), 'bad-length');
  assert.equal(code('45000013'.padEnd(40, '0')), 'bad-length');
  assert.equal(code('4f00ffff'.padEnd(40, '0')), 'truncated');
});

test('IPv6 text is as Node’s URL parser, which follows RFC 5952, writes it', () => {
  const group = fc.oneof(fc.constant(0), fc.nat(0xffff));
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
      const address = Buffer.alloc(16);
      for (const [i, g] of groups.entries()) address.writeUInt16BE(g, 2 * i);
      const text = formatIp(address);
      assert.ok(isIPv6(text));
      assert.equal(new URL(`http://[${groups.map((g) => g.toString(16)).join(':')}]/`).hostname, `[${text}]`);
    }),
    { seed: 81, numRuns: 500 },
  );
});

test('random bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const ip = parseIp(bytes, 0);
      if (!(ip instanceof WireError)) assert.ok(ip.headerLength <= bytes.length);
    }),
    { seed: 82, numRuns: 1000 },
  );
});
