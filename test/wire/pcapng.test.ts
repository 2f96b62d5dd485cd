import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CaptureWriter } from '../../src/wire/capture.ts';
import { PcapWriter } from '../../src/wire/pcap.ts';
import { PcapngWriter } from '../../src/wire/pcapng-writer.ts';
import { readCapture } from '../../src/wire/read-capture.ts';
import { requireProgram } from '../helpers/debian.ts';
import { CAPTURES, capturePath, loadCapture } from './support.ts';

/** Builds blocks of either byte order, by draft-ietf-opsawg-pcapng. */
class Builder {
  readonly little: boolean;
  constructor(little: boolean) {
    this.little = little;
  }
  u16(...values: number[]): Buffer {
    const out = Buffer.alloc(2 * values.length);
    for (const [i, v] of values.entries()) this.little ? out.writeUInt16LE(v, 2 * i) : out.writeUInt16BE(v, 2 * i);
    return out;
  }
  u32(...values: number[]): Buffer {
    const out = Buffer.alloc(4 * values.length);
    for (const [i, v] of values.entries()) this.little ? out.writeUInt32LE(v, 4 * i) : out.writeUInt32BE(v, 4 * i);
    return out;
  }
  pad(data: Buffer): Buffer {
    return Buffer.concat([data, Buffer.alloc(-data.length & 3)]);
  }
  option(code: number, value: Buffer | string): Buffer {
    const bytes = Buffer.from(value as string);
    return Buffer.concat([this.u16(code, bytes.length), this.pad(bytes)]);
  }
  block(type: number, ...body: Buffer[]): Buffer {
    const content = Buffer.concat(body);
    const length = content.length + 12;
    return Buffer.concat([this.u32(type, length), content, this.u32(length)]);
  }
  section(...options: Buffer[]): Buffer {
    return this.block(0x0a0d0d0a, this.u32(0x1a2b3c4d), this.u16(1, 0), this.u32(0xffffffff, 0xffffffff), ...options);
  }
  iface(linkType: number, snap: number, ...options: Buffer[]): Buffer {
    return this.block(1, this.u16(linkType, 0), this.u32(snap), ...options);
  }
  packet(id: number, units: bigint, data: Buffer, ...options: Buffer[]): Buffer {
    const time = this.u32(Number(units >> 32n), Number(units & 0xffffffffn));
    return this.block(6, this.u32(id), time, this.u32(data.length, data.length + 3), this.pad(data), ...options);
  }
}

for (const little of [true, false]) {
  test(`${little ? 'little' : 'big'}-endian: sections, interfaces, packets, options, unknown blocks`, () => {
    const b = new Builder(little);
    const end = b.option(0, '');
    const data = Buffer.from('hello');
    const capture = readCapture(
      Buffer.concat([
        b.section(
          b.option(2, 'x86'),
          b.option(3, 'Linux'),
          b.option(4, 'app'),
          b.option(1, 'one'),
          b.option(1, 'two'),
          end,
        ),
        b.block(0x0bad, Buffer.alloc(8)),
        b.iface(1, 0, b.option(2, 'eth0'), b.option(9, Buffer.of(9)), end),
        b.iface(101, 4, b.option(9, Buffer.of(0x80 | 10)), b.option(14, Buffer.alloc(8)), end),
        b.iface(228, 0),
        b.packet(0, 1_795_347_006_590_773_123n, data, b.option(1, 'first'), b.option(2, Buffer.alloc(4)), end),
        b.packet(1, 1536n, data),
        b.packet(2, 5_000_001n, data),
        b.block(3, b.u32(9), b.pad(Buffer.from('123456789'))),
        b.block(5, Buffer.alloc(12)),
        new Builder(!little).section(),
        new Builder(!little).iface(229, 4),
        new Builder(!little).packet(0, 7n, data),
        new Builder(!little).block(3, new Builder(!little).u32(9), Buffer.from('1234')),
      ]),
    );
    assert.equal(capture.error, null);
    assert.equal(capture.format, 'pcapng');
    assert.deepEqual(
      [capture.hardware, capture.os, capture.application, capture.comment],
      ['x86', 'Linux', 'app', 'one\ntwo'],
    );
    assert.deepEqual(capture.interfaces[0], { linkType: 1, snapLength: 0, name: 'eth0' });
    assert.deepEqual(
      capture.packets.map((p) => [p.interfaceId, p.linkType, p.timestampNs, Buffer.from(p.data).toString(), p.comment]),
      [
        [0, 1, 1_795_347_006_590_773_123n, 'hello', 'first'],
        [1, 101, 1_500_000_000n, 'hello', ''],
        [2, 228, 5_000_001_000n, 'hello', ''],
        [0, 1, 0n, '123456789', ''],
        [3, 229, 7000n, 'hello', ''],
        [3, 229, 0n, '1234', ''],
      ],
    );
    assert.deepEqual(
      capture.packets.map((p) => p.originalLength),
      [8, 8, 8, 9, 8, 9],
    );
  });
}

test('malformed blocks end reading with an error that tells the place; what came before is kept', () => {
  const b = new Builder(true);
  const start = Buffer.concat([b.section(), b.iface(1, 0), b.packet(0, 1n, Buffer.from('good'))]);
  const at = start.length;
  const bad = (code: string, offset: number, ...blocks: Buffer[]): void => {
    const capture = readCapture(Buffer.concat([start, ...blocks]));
    assert.equal(capture.packets[0].data.length, 4);
    assert.equal(capture.error?.code, code);
    assert.equal(capture.error?.offset, at + offset);
  };
  bad('truncated', 0, Buffer.from([1, 2, 3]));
  bad('bad-length', 4, b.u32(6, 8, 8));
  bad('bad-length', 4, b.u32(6, 13, 0, 0));
  bad('truncated', 0, b.u32(6, 0xfffffffc, 0));
  bad('bad-length', 12, b.u32(99, 16, 0, 20));
  bad('bad-value', 8, b.packet(7, 1n, Buffer.alloc(4)));
  bad('truncated', 28, b.block(6, b.u32(0, 0, 0, 0x7fffffff, 4), Buffer.alloc(4)));
  bad('truncated', 28, b.block(6, b.u32(0, 0, 0, 0xffffffff, 4), Buffer.alloc(4)));
  bad('truncated', 36, b.packet(0, 1n, Buffer.alloc(4), b.u16(1, 100)));
  bad('truncated', 12, b.block(3, b.u32(100), Buffer.alloc(4)));
  bad('truncated', 0, b.block(1));
  bad('bad-value', 8, b.block(0x0a0d0d0a, b.u32(0x12345678), Buffer.alloc(12)));
  bad('unsupported', 12, b.block(0x0a0d0d0a, b.u32(0x1a2b3c4d), b.u16(2, 0), Buffer.alloc(8)));
});

test('changed and cut files never throw', () => {
  const b = new Builder(true);
  const good = Buffer.concat([
    b.section(b.option(1, 'comment'), b.option(0, '')),
    b.iface(1, 0, b.option(9, Buffer.of(9)), b.option(0, '')),
    b.packet(0, 1n, Buffer.alloc(17), b.option(1, 'c'), b.option(0, '')),
    b.block(3, b.u32(5), Buffer.alloc(8)),
  ]);
  const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(change, { maxLength: 4 }), fc.nat(good.length), (changes, length) => {
      const file = Buffer.from(good);
      for (const [at, value] of changes) file[at] = value;
      const { packets } = readCapture(file.subarray(0, length));
      for (const p of packets) assert.ok(p.data.length <= length);
    }),
    { seed: 51, numRuns: 3000 },
  );
});

function copyCapture(name: string, writer: CaptureWriter): Buffer {
  const parts: Buffer[] = [];
  for (const [i, p] of loadCapture(name).entries()) {
    const frame = Buffer.from(p.data);
    const seconds = Number(p.timestampNs / 1_000_000_000n);
    writer.writePacket(seconds, Number(p.timestampNs % 1_000_000_000n), frame, 0, frame.length, `packet ${i + 1}`);
    if (i % 50 === 0) parts.push(...writer.take());
  }
  return Buffer.concat([...parts, ...writer.take()]);
}

test('captures written as pcapng are read back packet for packet', () => {
  for (const name of CAPTURES) {
    const about = {
      hardware: 'none',
      os: 'Linux',
      application: 'infinitive',
      comment: `copy of ${name}`,
      interfaceName: 'rxe0',
    };
    const capture = readCapture(copyCapture(name, new PcapngWriter(about)));
    assert.equal(capture.error, null);
    assert.equal(capture.comment, about.comment);
    assert.equal(capture.interfaces[0].name, 'rxe0');
    const original = loadCapture(name);
    assert.deepEqual(
      capture.packets.map((p) => [p.timestampNs, p.data]),
      original.map((p) => [p.timestampNs, p.data]),
    );
    assert.equal(capture.packets.at(-1)?.comment, `packet ${original.length}`);
  }
});

function tshark(file: string): string {
  const fields = [
    'frame.time_epoch',
    'frame.len',
    'ip.src',
    'ipv6.src',
    'infiniband.bth.psn',
    'udp.payload',
    'tcp.payload',
  ];
  return execFileSync('tshark', ['-r', file, '-n', '-T', 'fields', ...fields.flatMap((f) => ['-e', f])], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 1 << 26,
  });
}

test('tshark reads our pcapng and pcap as it reads the original', (t) => {
  if (!requireProgram(t, 'tshark', 'tshark')) return;
  const dir = mkdtempSync(join(tmpdir(), 'wire-'));
  try {
    for (const name of ['rxe-rping-ip6.pcap', 'rxe-rc-loss.pcap']) {
      const original = tshark(capturePath(name));
      for (const writer of [new PcapngWriter(), new PcapWriter()]) {
        const file = join(dir, 'copy');
        writeFileSync(file, copyCapture(name, writer));
        assert.equal(tshark(file), original);
      }
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('capinfos shows the comment, hardware, system and application that we wrote', (t) => {
  if (!requireProgram(t, 'capinfos', 'wireshark-common')) return;
  const dir = mkdtempSync(join(tmpdir(), 'wire-'));
  try {
    const file = join(dir, 'copy.pcapng');
    const about = { hardware: 'loop', os: 'Linux 6', application: 'infinitive 0.1', comment: 'netem loss 8 %' };
    writeFileSync(file, copyCapture('rxe-rc-loss.pcap', new PcapngWriter(about)));
    const text = execFileSync('capinfos', [file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    for (const expected of [
      /File type:\s+Wireshark\/\.\.\. - pcapng/,
      /Number of packets:\s+467/,
      /File timestamp precision:\s+nanoseconds/,
      /Capture hardware:\s+loop/,
      /Capture oper-sys:\s+Linux 6/,
      /Capture application:\s+infinitive 0\.1/,
      /Capture comment:\s+netem loss 8 %/,
    ]) {
      assert.match(text, expected);
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
});
