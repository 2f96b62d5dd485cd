// The communication manager's messages: as Linux sends them, and any others.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CM_BODY_LEN } from '../../src/wire/cm-layout.ts';
import { CmAttr, cmTypeOf, encodeCm, formatCm, parseCm } from '../../src/wire/cm-message.ts';
import { RejReason } from '../../src/wire/cm-refuse.ts';
import { WireError } from '../../src/wire/error.ts';
import { GSI_QKEY, MAD_LEN } from '../../src/wire/mad.ts';
import { anyCm, CM_CAPTURES, CM_TYPES, LAYOUT_OF, madFrames, otherCaptures } from './cm-support.ts';
import { ok } from './support.ts';

const FC = { seed: 20261123, numRuns: 300 };

test('every MAD of every capture decodes and is made again byte for byte', () => {
  const seen = new Set<string>();
  let count = 0;
  for (const name of CM_CAPTURES) {
    const frames = madFrames(name);
    assert.ok(frames.length >= 2, name);
    for (const { packet } of frames) {
      assert.equal(packet.deth?.qkey, GSI_QKEY);
      assert.equal(packet.deth?.sqpn, 1);
      assert.equal(packet.payload.length, MAD_LEN);
      const message = ok(parseCm(packet.payload));
      assert.equal(encodeCm(message).toString('hex'), Buffer.from(packet.payload).toString('hex'), name);
      seen.add(message.type);
      count++;
    }
  }
  assert.deepEqual([...seen].sort(), ['DREP', 'DREQ', 'REJ', 'REP', 'REQ', 'RTU', 'SIDR_REP', 'SIDR_REQ']);
  assert.equal(count, 29);
  for (const name of otherCaptures) assert.equal(madFrames(name).length, 0, name);
});

test('attribute ids (IBTA table 105)', () => {
  for (const type of CM_TYPES) assert.equal(cmTypeOf(CmAttr[type]), type);
  assert.equal(cmTypeOf(0x0f), undefined);
  assert.equal(cmTypeOf(0x1b), undefined);
});

test('no field overlaps another, and each is within the message', () => {
  for (const type of CM_TYPES) {
    const used = new Uint8Array(CM_BODY_LEN * 8);
    for (const [name, { kind, byte, bit, width }] of Object.entries(LAYOUT_OF[type])) {
      const bits = kind === 'bytes' ? width * 8 : width;
      for (let i = byte * 8 + bit; i < byte * 8 + bit + bits; i++) {
        assert.ok(i < used.length, `${type}.${name} ends outside`);
        assert.equal(used[i], 0, `${type}.${name} overlaps at bit ${i}`);
        used[i] = 1;
      }
    }
  }
});

test('any message comes back as it was written', () => {
  fc.assert(
    fc.property(anyCm(), (message) => {
      assert.deepEqual(parseCm(encodeCm(message)), message);
    }),
    FC,
  );
});

test('any bytes: no exception, and what decodes loses only reserved bits', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.boolean(),
      fc.integer({ min: 0x10, max: 0x1a }),
      (raw, head, id) => {
        const buf = Buffer.from(raw);
        if (head && buf.length >= 24)
          Buffer.from(`01070203000000000000000000000001${id.toString(16).padStart(4, '0')}`, 'hex').copy(buf);
        const message = parseCm(buf);
        if (message instanceof WireError) return;
        assert.deepEqual(parseCm(encodeCm(message)), message);
      },
    ),
    FC,
  );
});

test('what is not a CM message is an error that says why', () => {
  const good = encodeCm({
    type: 'RTU',
    tid: 1n,
    body: { localCommId: 1, remoteCommId: 2, privateData: new Uint8Array(0) },
  });
  const code = (change: (b: Buffer) => void): string => {
    const copy = Buffer.from(good);
    change(copy);
    return (parseCm(copy) as WireError).code;
  };
  assert.equal((parseCm(good.subarray(0, 255)) as WireError).code, 'truncated');
  assert.equal(
    code((b) => (b[1] = 3)),
    'unsupported',
  );
  assert.equal(
    code((b) => (b[2] = 1)),
    'unsupported',
  );
  assert.equal(
    code((b) => (b[3] = 0x81)),
    'bad-value',
  );
  assert.equal(
    code((b) => (b[17] = 0x30)),
    'bad-value',
  );
});

test('private data: filled up with zeros when short, cut when long', () => {
  const body = { localCommId: 1, remoteCommId: 2, privateData: Uint8Array.of(1, 2) };
  const short = ok(parseCm(encodeCm({ type: 'RTU', tid: 1n, body })));
  assert.equal(short.body.privateData.length, 224);
  assert.deepEqual([...short.body.privateData.subarray(0, 3)], [1, 2, 0]);
  const long = { ...body, privateData: new Uint8Array(300).fill(7) };
  assert.equal(encodeCm({ type: 'RTU', tid: 1n, body: long }).length, MAD_LEN);
});

test('one line for each', () => {
  const text = madFrames('rxe-cm-reject.pcap').map((f) => formatCm(ok(parseCm(f.packet.payload))));
  assert.deepEqual(text, [
    'CM REQ comm 0xa17615f2 QPN 0x34 service 0x1061c06',
    'CM REJ comm 0x0 to 0xa17615f2 reason 8 INVALID_SERVICE_ID',
  ]);
  assert.equal(RejReason.STALE_CONN, 10);
});
