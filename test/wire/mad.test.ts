import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emitMad, formatMad, type MadHeader, parseMad } from '../../src/wire/mad.ts';
import { assertHeader } from './support.ts';

// The header of the first MAD in rxe-rping.pcap, as tshark reads it.
test('layout', () => {
  const header: MadHeader = {
    baseVersion: 1,
    mgmtClass: 7,
    classVersion: 2,
    method: 3,
    status: 0,
    classSpecific: 0,
    tid: 0x00000002f21576acn,
    attrId: 0x10,
    resv16: 0,
    attrModifier: 0,
  };
  assertHeader('010702030000000000000002f21576ac0010000000000000', header, parseMad, emitMad);
  const odd = { ...header, status: 0x1234, classSpecific: 0x5678, resv16: 0x9abc, attrModifier: 0xdef01234 };
  assertHeader('010702031234567800000002f21576ac00109abcdef01234', odd, parseMad, emitMad);
  assert.equal(formatMad(header), 'MAD class 0x7 method 0x3 attribute 0x10 TID 0x2f21576ac');
});
