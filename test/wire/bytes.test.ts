import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as b from '../../src/wire/bytes.ts';

test('loads and stores agree with Buffer’s', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 24, maxLength: 24 }), fc.nat(16), (bytes, off) => {
      const buf = Buffer.from(bytes);
      assert.equal(b.getU16(buf, off), buf.readUInt16BE(off));
      assert.equal(b.getU24(buf, off), buf.readUIntBE(off, 3));
      assert.equal(b.getU32(buf, off), buf.readUInt32BE(off));
      assert.equal(b.getU48(buf, off), buf.readUIntBE(off, 6));
      assert.equal(b.getU64(buf, off), Number(buf.readBigUInt64BE(off)));
      assert.equal(b.getU64Big(buf, off), buf.readBigUInt64BE(off));
      assert.equal(b.getI32LE(buf, off), buf.readInt32LE(off));
      const same = (put: (out: Buffer) => void): void => {
        const out = Buffer.from(buf);
        out.fill(0x55, off, off + 8);
        put(out);
        const changed = out.findLastIndex((v, i) => i >= off && i < off + 8 && v !== 0x55) + 1;
        assert.deepEqual(out.subarray(0, Math.max(off, changed)), buf.subarray(0, Math.max(off, changed)));
      };
      same((out) => b.putU16(out, off, buf.readUInt16BE(off)));
      same((out) => b.putU24(out, off, buf.readUIntBE(off, 3)));
      same((out) => b.putU32(out, off, buf.readUInt32BE(off)));
      same((out) => b.putU32(out, off, buf.readInt32BE(off)));
      same((out) => b.putU48(out, off, buf.readUIntBE(off, 6)));
      same((out) => b.putU64Big(out, off, buf.readBigUInt64BE(off)));
      same((out) => b.putU32LE(out, off, buf.readInt32LE(off)));
      same((out) => b.putU32LE(out, off, buf.readUInt32LE(off)));
    }),
    { seed: 71, numRuns: 300 },
  );
});

test('64-bit numbers are exact up to 2^53', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      const buf = Buffer.alloc(8);
      b.putU64(buf, 0, value);
      assert.equal(buf.readBigUInt64BE(0), BigInt(value));
      assert.equal(b.getU64(buf, 0), value);
    }),
    { seed: 72 },
  );
});

test('outside the buffer: loads give zeros, stores nothing', () => {
  const buf = Buffer.from([1, 2]);
  assert.equal(b.getU32(buf, 1), 0x02000000);
  assert.equal(b.getU64(buf, 9), 0);
  b.putU32(buf, 1, 0x03040506);
  assert.deepEqual(buf, Buffer.from([1, 3]));
});

test('hexadecimal text', () => {
  assert.equal(b.hex(17), '0x11');
  assert.equal(b.hex(17, 4), '0x0011');
  assert.equal(b.hex(0xffffffffffffffffn), '0xffffffffffffffff');
});
