import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { WireError } from '../../src/wire/error.ts';
import { buildFrame, decodeFrame, describeFrame, frameHeaderLength } from '../../src/wire/frame.ts';
import { LINKTYPE_IPV4, LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2, LINKTYPE_RAW } from '../../src/wire/linktype.ts';
import { CAPTURES, loadCapture, ok } from './support.ts';

const FRAMES = CAPTURES.filter((name) => name.startsWith('rxe-') && name !== 'rxe-rc-loss.pcap').flatMap((name) =>
  loadCapture(name).map((p) => Buffer.from(p.data)),
);
const [FIRST] = FRAMES;

test('the same packet under other link types, and VLAN-tagged', () => {
  const ip = FIRST.subarray(14);
  const same = (link: number, header: string): void => {
    const bytes = Buffer.concat([Buffer.from(header, 'hex'), ip]);
    assert.ok(ok(decodeFrame(bytes, 0, bytes.length, link)).icrcOk);
  };
  same(LINKTYPE_RAW, '');
  same(LINKTYPE_IPV4, '');
  same(LINKTYPE_LINUX_SLL, `${'00'.repeat(14)}0800`);
  same(LINKTYPE_LINUX_SLL2, `0800${'00'.repeat(18)}`);
  same(1, `${'00'.repeat(12)}810000640800`);
  assert.equal((decodeFrame(FIRST, 0, FIRST.length, 147) as WireError).code, 'unsupported');
});

test('what is no whole RoCEv2 datagram is a typed error', () => {
  const changed = (at: number, ...values: number[]): string => {
    const bytes = Buffer.from(FIRST);
    bytes.set(values, at);
    const result = decodeFrame(bytes);
    return result instanceof WireError ? result.code : 'decoded';
  };
  assert.equal(changed(12, 0x08, 0x06), 'not-roce');
  assert.equal(changed(14, 0x55), 'bad-value');
  assert.equal(changed(14, 0x46), 'unsupported');
  assert.equal(changed(20, 0x20), 'unsupported');
  assert.equal(changed(23, 6), 'not-roce');
  assert.equal(changed(36, 0, 53), 'not-roce');
  assert.equal(changed(38, 0xff), 'bad-length');
  assert.equal(changed(42, 0xff), 'bad-opcode');
  for (let length = 0; length < FIRST.length; length++) {
    assert.equal((decodeFrame(FIRST, 0, length) as WireError).code, 'truncated');
  }
});

test('what routers change does not break the ICRC, anything else does', () => {
  const free = [15, 22, 24, 25, 40, 41, 46];
  for (let at = 14; at < FIRST.length; at++) {
    const bytes = Buffer.from(FIRST);
    bytes[at] ^= 0x10;
    const frame = decodeFrame(bytes);
    if (frame instanceof WireError) continue;
    assert.equal(frame.icrcOk, free.includes(at), `byte ${at}`);
  }
});

test('one line', () => {
  assert.match(describeFrame(ok(decodeFrame(FIRST))), /^10\.77\.0\.\d > 10\.77\.0\.\d: UD SEND only QPN 0x1 PSN \d+/);
  const bad = Buffer.from(FIRST);
  bad[bad.length - 1] ^= 1;
  assert.match(describeFrame(ok(decodeFrame(bad))), /, bad ICRC$/);
});

test('changed and cut frames give a frame or a WireError within the range, and are left as they were', () => {
  const change = fc.tuple(fc.nat(100), fc.nat(255));
  const link = fc.constantFrom(1, LINKTYPE_RAW, LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2);
  fc.assert(
    fc.property(
      fc.constantFrom(...FRAMES),
      fc.array(change, { maxLength: 3 }),
      fc.integer({ min: -5, max: 2000 }),
      link,
      (frame, changes, length, linkType) => {
        const bytes = Buffer.from(frame);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const before = Buffer.from(bytes);
        const result = decodeFrame(bytes, 0, length, linkType);
        assert.deepEqual(bytes, before);
        if (result instanceof WireError) return;
        assert.ok(result.roceOffset + result.roceLength <= Math.min(length, bytes.length));
      },
    ),
    { seed: 91, numRuns: 2000 },
  );
});

test('a frame can be built round a datagram that is in place already', () => {
  const frame = ok(decodeFrame(FIRST));
  const { ip, udp } = frame;
  const out = Buffer.alloc(FIRST.length);
  FIRST.copy(out, frame.roceOffset, frame.roceOffset);
  const addresses = {
    srcMac: FIRST.subarray(6, 12),
    dstMac: FIRST.subarray(0, 6),
    srcIp: ip.src,
    dstIp: ip.dst,
    sport: udp.sport,
    dport: udp.dport,
    tos: ip.tos,
    ttl: ip.ttl,
  };
  assert.equal(frameHeaderLength(addresses), frame.roceOffset);
  buildFrame(out, 0, addresses, ip.id, true, out, frame.roceOffset, frame.roceLength);
  assert.deepEqual(out, FIRST);
});
