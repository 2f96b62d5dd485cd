import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PcapWriter, readPcap } from '../../src/wire/pcap.ts';
import { readCapture } from '../../src/wire/read-capture.ts';

interface Record {
  seconds: number;
  fraction: number;
  data: Buffer;
}

/** A pcap file by the book, of either byte order and resolution. */
function pcapFile(little: boolean, nano: boolean, records: Record[]): Buffer {
  const u32 = (...values: number[]): Buffer => {
    const out = Buffer.alloc(4 * values.length);
    for (const [i, v] of values.entries()) little ? out.writeUInt32LE(v, 4 * i) : out.writeUInt32BE(v, 4 * i);
    return out;
  };
  const version = Buffer.from(little ? '02000400' : '00020004', 'hex');
  const parts = [u32(nano ? 0xa1b23c4d : 0xa1b2c3d4), version, u32(0, 0, 65535, 101)];
  for (const { seconds, fraction, data } of records) {
    parts.push(u32(seconds, fraction, data.length, data.length + 7), data);
  }
  return Buffer.concat(parts);
}

const records = fc.array(
  fc.record({
    seconds: fc.integer({ min: 0, max: 0xffffffff }),
    fraction: fc.nat(999_999),
    data: fc.uint8Array({ maxLength: 40 }).map((d) => Buffer.from(d)),
  }),
  { maxLength: 5 },
);

test('both byte orders, microseconds and nanoseconds', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.boolean(), records, (little, nano, list) => {
      const capture = readCapture(pcapFile(little, nano, list));
      assert.equal(capture.error, null);
      assert.equal(capture.format, 'pcap');
      assert.deepEqual(capture.interfaces, [{ linkType: 101, snapLength: 65535, name: '' }]);
      const scale = nano ? 1n : 1000n;
      assert.deepEqual(
        capture.packets.map((p) => [p.timestampNs, p.data, p.originalLength, p.linkType]),
        list.map((r) => [
          BigInt(r.seconds) * 1_000_000_000n + BigInt(r.fraction) * scale,
          r.data,
          r.data.length + 7,
          101,
        ]),
      );
    }),
    { seed: 41 },
  );
});

test('what the writer makes is read again', () => {
  const writer = new PcapWriter();
  const frame = Buffer.from('..0123456789..');
  writer.writePacket(1_795_347_006, 590_773_123, frame, 2, 10);
  writer.writePacket(0xffffffff, 999_999_999, frame, 0, 14);
  const pending = writer.pending;
  const file = Buffer.concat(writer.take());
  assert.equal(file.length, pending);
  assert.equal(writer.pending, 0);
  const capture = readPcap(file);
  assert.equal(capture.error, null);
  assert.equal(capture.packets[0].timestampNs, 1_795_347_006_590_773_123n);
  assert.equal(Buffer.from(capture.packets[0].data).toString(), '0123456789');
  assert.equal(capture.packets[1].timestampNs, 4_294_967_295_999_999_999n);
});

test('a file cut anywhere gives its whole records and an error with the place', () => {
  const list = [1, 2, 3].map((n) => ({ seconds: n, fraction: n, data: Buffer.alloc(n * 5, n) }));
  const file = pcapFile(true, false, list);
  const ends = [24, 45, 71, 102];
  for (let length = 0; length < file.length; length++) {
    const capture = readCapture(file.subarray(0, length));
    assert.equal(capture.packets.length, Math.max(0, ends.filter((end) => end <= length).length - 1));
    assert.equal(capture.error === null, ends.includes(length), `cut to ${length}`);
    if (capture.error) assert.ok(capture.error.offset <= length);
  }
});

test('a length field beyond the file is an error, not an allocation', () => {
  const file = pcapFile(false, false, [{ seconds: 1, fraction: 1, data: Buffer.alloc(8) }]);
  file.writeUInt32BE(0xfffffff0, 24 + 8);
  const capture = readCapture(file);
  assert.equal(capture.packets.length, 0);
  assert.equal(capture.error?.code, 'truncated');
  assert.equal(capture.error?.offset, 40);
});

test('random bytes behind a good start never throw', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.uint8Array({ maxLength: 200 }), (little, tail) => {
      readCapture(Buffer.concat([pcapFile(little, false, []), tail]));
      readCapture(Buffer.concat([pcapFile(little, false, []).subarray(0, 4), tail]));
      readCapture(tail);
    }),
    { seed: 42, numRuns: 1000 },
  );
});
