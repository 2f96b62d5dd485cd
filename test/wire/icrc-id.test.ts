import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import fc from 'fast-check';
import { ICRC_DF, icrcCompute, icrcId, icrcLen4, icrcSeed4 } from '../../src/wire/icrc.ts';
import { ICRC_OTHER_DF, icrcSolveId, icrcSolveIdDf } from '../../src/wire/icrc-id.ts';

const SRC = Uint8Array.of(10, 77, 0, 2);
const DST = Uint8Array.of(10, 77, 0, 3);

/** The ICRC as annex A17 words it, from a whole IPv4 packet; zlib does the sum. */
function plainIcrc(body: Uint8Array, id: number, df: boolean): number {
  const h = Buffer.alloc(36, 0xff);
  h[8] = 0x45;
  h.writeUInt16BE(28 + body.length + 4, 10);
  h.writeUInt16BE(id, 12);
  h.writeUInt16BE(df ? 0x4000 : 0, 14);
  h[17] = 17;
  h.set(SRC, 20);
  h.set(DST, 24);
  h.writeUInt16BE(0xc0de, 28);
  h.writeUInt16BE(4791, 30);
  h.writeUInt16BE(8 + body.length + 4, 32);
  const masked = Buffer.from(body);
  masked[4] = 0xff;
  return zlib.crc32(masked, zlib.crc32(h)) | 0;
}

const bodies = fc.oneof(
  fc.uint8Array({ minLength: 12, maxLength: 200 }),
  fc.tuple(fc.integer({ min: 12, max: 9000 }), fc.nat(255)).map(([n, fill]) => new Uint8Array(n).fill(fill)),
);

test('the seed from linear pieces gives the ICRC of the straightforward computation', () => {
  fc.assert(
    fc.property(bodies, fc.nat(65535), fc.boolean(), (body, id, df) => {
      const seed = icrcSeed4(SRC, DST, 0xc0de, 4791, df) ^ icrcLen4(8 + body.length + 4) ^ icrcId(id);
      const before = Uint8Array.from(body);
      assert.equal(icrcCompute(seed, body, 0, body.length), plainIcrc(body, id, df));
      assert.deepEqual(body, before, 'the masked byte is restored');
    }),
    { seed: 1, numRuns: 500 },
  );
});

test('the ID, and whether DF differs, are recovered exactly from the difference', () => {
  fc.assert(
    fc.property(bodies, fc.nat(65535), fc.boolean(), (body, id, df) => {
      const seed = icrcSeed4(SRC, DST, 0xc0de, 4791, true) ^ icrcLen4(8 + body.length + 4);
      const diff = plainIcrc(body, id, df) ^ icrcCompute(seed, body, 0, body.length);
      assert.equal(icrcSolveId(diff, body.length), df ? id : -1);
      assert.equal(icrcSolveIdDf(diff, body.length), df ? id : id | ICRC_OTHER_DF);
      assert.equal(icrcSolveId(diff ^ (df ? 0 : plainDf(body.length)), body.length), id);
    }),
    { seed: 2, numRuns: 500 },
  );
});

/** ICRC_DF carried over the body. */
function plainDf(n: number): number {
  const zero = new Uint8Array(n);
  zero[4] = 0;
  return icrcCompute(ICRC_DF, zero, 0, n) ^ icrcCompute(0, zero, 0, n);
}

test('every ID at one length', () => {
  const body = new Uint8Array(1036).fill(0x5a);
  const seed = icrcSeed4(SRC, DST, 0xc0de, 4791, true) ^ icrcLen4(1048);
  const base = icrcCompute(seed, body, 0, body.length);
  for (let id = 0; id < 65536; id += 37) {
    assert.equal(icrcSolveId(icrcCompute(seed ^ icrcId(id), body, 0, body.length) ^ base, body.length), id);
  }
});

test('of random differences about one in 65,536 has an ID', () => {
  let hits = 0;
  let x = 12345;
  for (let i = 0; i < 1 << 20; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) | 0;
    if (icrcSolveId(x ^ (x << 13) ^ (x >>> 7), 28 + ((i & 7) << 2)) >= 0) hits++;
  }
  assert.ok(hits > 2 && hits < 48, `expected about 16, got ${hits}`);
});
