import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { WireError } from '../../src/wire/error.ts';
import { knownOpcodes } from '../../src/wire/opcodes.ts';
import { decodeRoce, describe, encodeRoce, roceLength } from '../../src/wire/packet.ts';
import { anyContent, contentOf, loadCapture, ok, RESERVED_OPCODES } from './support.ts';

test('random packets of every opcode come back as they were', () => {
  for (const opcode of knownOpcodes()) {
    fc.assert(
      fc.property(contentOf(opcode), (content) => {
        const bytes = ok(encodeRoce(content));
        assert.equal(bytes.length, roceLength(content));
        const { name, headerLength, ...back } = ok(decodeRoce(bytes));
        assert.deepEqual(back, content);
        assert.ok(describe(ok(decodeRoce(bytes))).startsWith(name));
        assert.ok(headerLength >= 12);
      }),
      { seed: 11, numRuns: 40 },
    );
  }
});

test('whatever decodes is encoded to the same bytes again, but for pad bytes', () => {
  let decoded = 0;
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 12, maxLength: 120 }),
      fc.constantFrom(...knownOpcodes()),
      (bytes, opcode) => {
        bytes[0] = opcode;
        const packet = decodeRoce(bytes);
        if (packet instanceof WireError) return;
        decoded++;
        const expected = Buffer.from(bytes);
        expected.fill(0, expected.length - 4 - packet.bth.pad, expected.length - 4);
        assert.deepEqual(ok(encodeRoce(packet)), expected);
      },
    ),
    { seed: 12, numRuns: 2000 },
  );
  assert.ok(decoded > 500, `only ${decoded} decoded`);
});

test('random and truncated bytes give a packet or a WireError, and nothing outside the range is looked at', () => {
  const random = fc.uint8Array({ maxLength: 100 });
  const cut = fc
    .tuple(anyContent, fc.nat(100))
    .map(([content, keep]) => Uint8Array.from(ok(encodeRoce(content)).subarray(0, keep)));
  fc.assert(
    fc.property(fc.oneof(random, cut), fc.nat(40), fc.nat(255), (bytes, before, fill) => {
      const inside = (around: number): unknown => {
        const host = new Uint8Array(before + bytes.length + 64).fill(around);
        host.set(bytes, before);
        const result = decodeRoce(host, before, bytes.length);
        if (result instanceof WireError) {
          assert.ok(result.offset >= before && result.offset <= before + bytes.length, result.message);
          return result.message;
        }
        assert.ok(result.payload.byteOffset >= before);
        assert.ok(result.payload.byteOffset + result.payload.length <= before + bytes.length);
        return { ...result, payload: Buffer.from(result.payload) };
      };
      assert.deepEqual(inside(fill), inside(fill ^ 0xff));
    }),
    { seed: 13, numRuns: 2000 },
  );
});

test('a length beyond the buffer is cut to the buffer', () => {
  const bytes = ok(encodeRoce({ bth: ok(decodeRoce(Buffer.alloc(32))).bth, payload: new Uint8Array(16) }));
  assert.equal(ok(decodeRoce(bytes, 0, 9999)).payload.length, 16);
  assert.ok(decodeRoce(bytes, 40, 10) instanceof WireError);
  assert.ok(decodeRoce(bytes, 0, -1) instanceof WireError);
});

test('reserved opcodes are refused both ways', () => {
  assert.ok(RESERVED_OPCODES.includes(0x15) && RESERVED_OPCODES.includes(0x80) && RESERVED_OPCODES.includes(0xff));
  const { bth } = ok(decodeRoce(Buffer.alloc(64)));
  for (const opcode of RESERVED_OPCODES) {
    const bytes = Buffer.alloc(64);
    bytes[0] = opcode;
    assert.equal((decodeRoce(bytes) as WireError).code, 'bad-opcode');
    assert.equal((encodeRoce({ bth: { ...bth, opcode } }) as WireError).code, 'bad-opcode');
  }
});

test('more pad than payload is a bad length', () => {
  const bytes = Buffer.alloc(16);
  bytes[0] = 4;
  bytes[1] = 0x30;
  assert.equal((decodeRoce(bytes) as WireError).code, 'bad-length');
});

test('one line tells what a packet is', () => {
  const lines = ['rxe-rping.pcap', 'rxe-rc-fetchadd.pcap', 'rxe-rc-loss.pcap']
    .flatMap((name) => loadCapture(name))
    .map((packet) => describe(ok(decodeRoce(packet.data as Buffer, 42))));
  assert.equal(lines[0], 'UD SEND only QPN 0x1 PSN 14 AckReq, QKey 0x80010000 SrcQPN 0x1, 256 bytes');
  for (const line of [
    'RC RDMA READ Request QPN 0x2f PSN 252454 AckReq, VA 0x5600ee94a030 RKey 0x2c6d DMALen 200',
    'RC RDMA READ response Only QPN 0x30 PSN 252454, ACK MSN 1, 200 bytes',
    'RC FetchAdd QPN 0x2f PSN 16710356 AckReq, VA 0x55b7ddf32000 RKey 0x249e Swap/Add 0x1 Compare 0x0',
    'RC ATOMIC Acknowledge QPN 0x2e PSN 16710356, ACK MSN 1, Orig 0xd0126ba6ef32c9df',
  ]) {
    assert.ok(lines.includes(line), line);
  }
  assert.ok(lines.some((line) => /^RC Acknowledge .* NAK PSN Sequence Error MSN \d+$/.test(line)));
});
