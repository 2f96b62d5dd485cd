import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BTH_LEN,
  BTH_MIG,
  BTH_PAD_SHIFT,
  BTH_SE,
  bthAckReq,
  bthBecn,
  bthFecn,
  bthFlags,
  bthOpcode,
  bthPad,
  bthPkey,
  bthPsn,
  bthQpn,
  bthTver,
  emitBth,
  formatBth,
  parseBth,
  setBthAckReq,
  setBthPsn,
  writeBth,
} from '../../src/wire/bth.ts';
import { assertHeader } from './support.ts';

const BYTES = '04d0fffe00123456800abcde';
const BTH = {
  opcode: 4,
  se: true,
  mig: true,
  pad: 1,
  tver: 0,
  pkey: 0xfffe,
  fecn: false,
  becn: false,
  resv6: 0,
  qpn: 0x123456,
  ackReq: true,
  resv7: 0,
  psn: 0x0abcde,
};

test('layout', () => {
  assertHeader(BYTES, BTH, parseBth, emitBth);
  assertHeader(
    'ff0f0000ff000000ff000000',
    {
      opcode: 255,
      se: false,
      mig: false,
      pad: 0,
      tver: 15,
      pkey: 0,
      fecn: true,
      becn: true,
      resv6: 63,
      qpn: 0,
      ackReq: true,
      resv7: 127,
      psn: 0,
    },
    parseBth,
    emitBth,
  );
});

test('hot-path writer and getters', () => {
  const buf = Buffer.alloc(20, 0xee);
  writeBth(buf, 4, 4, BTH_SE | BTH_MIG | (1 << BTH_PAD_SHIFT), 0xfffe, 0x123456, true, 0x0abcde);
  assert.equal(buf.toString('hex'), `eeeeeeee${BYTES}eeeeeeee`);
  assert.equal(bthOpcode(buf, 4), 4);
  assert.equal(bthFlags(buf, 4), 0xd0);
  assert.equal(bthPad(buf, 4), 1);
  assert.equal(bthTver(buf, 4), 0);
  assert.equal(bthPkey(buf, 4), 0xfffe);
  assert.equal(bthQpn(buf, 4), 0x123456);
  assert.equal(bthAckReq(buf, 4), true);
  assert.equal(bthPsn(buf, 4), 0x0abcde);
  assert.equal(bthFecn(buf, 4), false);
  assert.equal(bthBecn(buf, 4), false);
  buf[8] = 0x80;
  assert.deepEqual([bthFecn(buf, 4), bthBecn(buf, 4)], [true, false]);
  buf[8] = 0x40;
  assert.deepEqual([bthFecn(buf, 4), bthBecn(buf, 4)], [false, true]);
  setBthPsn(buf, 4, 0xffffff);
  setBthAckReq(buf, 4, false);
  assert.equal(buf.toString('hex', 4, 4 + BTH_LEN), '04d0fffe4012345600ffffff');
});

test('text', () => {
  assert.equal(formatBth(BTH), 'RC SEND Only QPN 0x123456 PSN 703710 SE AckReq PKey 0xfffe');
});
