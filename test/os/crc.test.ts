import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import fc from 'fast-check';
import { nativeCrc32 } from '../../src/os/crc.ts';
import { missing } from '../helpers/debian.ts';

test('ISA-L computes what zlib does, in pieces too', (t) => {
  const native = nativeCrc32();
  if (native === null) return missing(t, 'needs libisal.so.2: apt-get install libisal2');
  const shared = new Uint8Array(new SharedArrayBuffer(5000));
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 5000, size: 'max' }), fc.nat(), fc.nat(), (bytes, a, b) => {
      const from = a % bytes.length;
      const cut = from + (b % (bytes.length - from + 1));
      const expected = zlib.crc32(bytes.subarray(from));
      shared.set(bytes);
      for (const buf of [bytes, shared]) {
        const first = native.update(-1, buf, from, cut - from);
        assert.equal(~native.update(first, buf, cut, bytes.length - cut) >>> 0, expected);
      }
    }),
    { seed: 1021, numRuns: 300 },
  );
});

test('bytes outside the buffer are not read', (t) => {
  const native = nativeCrc32();
  if (native === null) return missing(t, 'needs libisal.so.2: apt-get install libisal2');
  const buf = new Uint8Array(100);
  for (const [off, len] of [
    [0, 101],
    [-1, 10],
    [50, 51],
    [0, -1],
  ]) {
    assert.throws(() => native.update(-1, buf, off, len), RangeError);
  }
});
