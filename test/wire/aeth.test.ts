import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AETH_ACK,
  AETH_ACK_UNLIMITED,
  AETH_LEN,
  AETH_NAK,
  AETH_RNR_NAK,
  aethCredits,
  aethMsn,
  aethSyndrome,
  aethType,
  emitAeth,
  encodeAethCredits,
  encodeRnrTimer,
  formatAeth,
  NAK_INV_RD_REQ,
  NAK_INV_REQ,
  NAK_PSN_SEQ,
  NAK_REM_ACC,
  NAK_REM_OP,
  parseAeth,
  rnrTimerUs,
  syndromeName,
  writeAeth,
} from '../../src/wire/aeth.ts';
import { assertHeader } from './support.ts';

test('layout', () => {
  assertHeader('1f000001', { syndrome: 0x1f, msn: 1 }, parseAeth, emitAeth);
  assertHeader('ffabcdef', { syndrome: 0xff, msn: 0xabcdef }, parseAeth, emitAeth);
});

test('hot-path writer and getters', () => {
  const buf = Buffer.alloc(AETH_LEN + 2, 0xee);
  writeAeth(buf, 1, NAK_PSN_SEQ, 0x123456);
  assert.equal(buf.toString('hex'), 'ee60123456ee');
  assert.equal(aethSyndrome(buf, 1), NAK_PSN_SEQ);
  assert.equal(aethMsn(buf, 1), 0x123456);
});

test('kinds of syndrome', () => {
  for (const nak of [NAK_PSN_SEQ, NAK_INV_REQ, NAK_REM_ACC, NAK_REM_OP, NAK_INV_RD_REQ])
    assert.equal(aethType(nak), AETH_NAK);
  assert.equal(aethType(AETH_RNR_NAK | 14), AETH_RNR_NAK);
  assert.equal(aethType(AETH_ACK_UNLIMITED), AETH_ACK);
  assert.equal(syndromeName(AETH_ACK_UNLIMITED), 'ACK');
  assert.equal(syndromeName(AETH_ACK | 5), 'ACK 6 credits');
  assert.equal(syndromeName(AETH_RNR_NAK | 12), 'RNR NAK 0.64 ms');
  assert.equal(syndromeName(NAK_REM_ACC), 'NAK Remote Access Error');
  assert.equal(syndromeName(0x7f), 'NAK reserved code 31');
  assert.equal(formatAeth({ syndrome: 0x41, msn: 3 }), 'reserved syndrome 65 MSN 3');
});

test('credit codes alternate 2^n and 3 * 2^(n-1)', () => {
  assert.equal(aethCredits.length, 32);
  assert.deepEqual([...aethCredits.subarray(0, 4)], [0, 1, 2, 3]);
  for (let code = 4; code < 31; code++) assert.equal(aethCredits[code], 2 * aethCredits[code - 2]);
  assert.equal(aethCredits[31], -1);
});

test('credits are never promised beyond what there is', () => {
  for (let credits = 0; credits < 40000; credits += 7) {
    const code = encodeAethCredits(credits);
    assert.ok(aethCredits[code] <= credits);
    assert.ok(code === 30 || aethCredits[code + 1] > credits);
  }
  assert.equal(encodeAethCredits(-1), AETH_ACK_UNLIMITED);
});

test('RNR timers are rounded up, the longest is code 0', () => {
  for (let code = 0; code < 32; code++) assert.equal(encodeRnrTimer(rnrTimerUs[code]), code);
  assert.equal(encodeRnrTimer(0), 1);
  assert.equal(encodeRnrTimer(11), 2);
  assert.equal(encodeRnrTimer(491_521), 0);
  assert.equal(encodeRnrTimer(1e9), 0);
});
