import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildFrame, frameHeaderLength } from '../../src/wire/frame.ts';
import {
  ICRC_DF,
  icrcCompute,
  icrcId,
  icrcLen4,
  icrcLen6,
  icrcMatches,
  icrcRead,
  icrcSeed4,
  icrcSeed6,
  icrcWrite,
} from '../../src/wire/icrc.ts';
import { plainIcrc } from './support.ts';

const octets = (n: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength: n, maxLength: n }).map((a) => Buffer.from(a));
const body = fc.uint8Array({ minLength: 12, maxLength: 400 }).map((b) => Buffer.from(b));
const port = fc.nat(0xffff);
const mac = Buffer.alloc(6, 2);

test('IPv4: seed, length and ID in pieces give what annex A17 says of the whole packet', () => {
  fc.assert(
    fc.property(octets(4), octets(4), port, port, fc.nat(65535), fc.boolean(), fc.nat(255), body, (...args) => {
      const [srcIp, dstIp, sport, dport, id, df, tos, bytes] = args;
      const addresses = { srcMac: mac, dstMac: mac, srcIp, dstIp, sport, dport, tos, ttl: 3 };
      const frame = Buffer.alloc(frameHeaderLength(addresses) + bytes.length + 4);
      const datagram = Buffer.concat([bytes, Buffer.alloc(4)]);
      buildFrame(frame, 0, addresses, id, df, datagram, 0, datagram.length);
      const seed = icrcSeed4(srcIp, dstIp, sport, dport, df) ^ icrcLen4(datagram.length + 8) ^ icrcId(id);
      assert.equal(icrcCompute(seed, bytes, 0, bytes.length), plainIcrc(frame));
      assert.equal(icrcSeed4(srcIp, dstIp, sport, dport, !df), icrcSeed4(srcIp, dstIp, sport, dport, df) ^ ICRC_DF);
    }),
    { seed: 31, numRuns: 500 },
  );
});

test('IPv6: seed and length in pieces give what annex A17 says of the whole packet', () => {
  fc.assert(
    fc.property(octets(16), octets(16), port, port, fc.nat(255), body, (srcIp, dstIp, sport, dport, tos, bytes) => {
      const addresses = { srcMac: mac, dstMac: mac, srcIp, dstIp, sport, dport, tos, ttl: 3 };
      const frame = Buffer.alloc(frameHeaderLength(addresses) + bytes.length + 4);
      const datagram = Buffer.concat([bytes, Buffer.alloc(4)]);
      buildFrame(frame, 0, addresses, 0, false, datagram, 0, datagram.length);
      const seed = icrcSeed6(srcIp, dstIp, sport, dport) ^ icrcLen6(datagram.length + 8);
      assert.equal(icrcCompute(seed, bytes, 0, bytes.length), plainIcrc(frame));
    }),
    { seed: 32, numRuns: 500 },
  );
});

test('FECN, BECN and the bits beside them do not change the ICRC; any other bit does', () => {
  const bytes = Buffer.alloc(64, 0x33);
  const right = icrcCompute(5, bytes, 0, 60);
  for (let bit = 0; bit < 60 * 8; bit++) {
    bytes[bit >> 3] ^= 1 << (bit & 7);
    assert.equal(icrcCompute(5, bytes, 0, 60) === right, bit >> 3 === 4, `bit ${bit}`);
    bytes[bit >> 3] ^= 1 << (bit & 7);
  }
});

test('is stored little-endian behind the packet', () => {
  const bytes = Buffer.alloc(40, 0x11);
  icrcWrite(7, bytes, 4, 28);
  const crc = icrcCompute(7, bytes, 4, 28);
  assert.equal(bytes.readInt32LE(32), crc);
  assert.equal(icrcRead(bytes, 32), crc);
  assert.ok(icrcMatches(7, bytes, 4, 28));
  assert.deepEqual(bytes.subarray(36), Buffer.alloc(4, 0x11));
  bytes[35] ^= 0x80;
  assert.ok(!icrcMatches(7, bytes, 4, 28));
});

test('lengths up to the largest datagram', () => {
  for (const n of [1036, 4108, 9000, 65504]) {
    const bytes = Buffer.alloc(n, 0x77);
    const frame = Buffer.alloc(42 + n + 4);
    const ip = Buffer.from([192, 168, 1, 1]);
    const datagram = Buffer.concat([bytes, Buffer.alloc(4)]);
    const addresses = { srcMac: mac, dstMac: mac, srcIp: ip, dstIp: ip, sport: 1, dport: 2, tos: 0, ttl: 64 };
    buildFrame(frame, 0, addresses, 0, true, datagram, 0, n + 4);
    assert.equal(icrcCompute(icrcSeed4(ip, ip, 1, 2, true) ^ icrcLen4(n + 12), bytes, 0, n), plainIcrc(frame));
  }
});
