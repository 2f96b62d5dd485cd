import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ATOMICACKETH_LEN,
  atomicAckEthOrigHi,
  atomicAckEthOrigLo,
  emitAtomicAckEth,
  formatAtomicAckEth,
  parseAtomicAckEth,
  writeAtomicAckEth,
} from '../../src/wire/atomicacketh.ts';
import { assertHeader } from './support.ts';

test('layout, writer, getters', () => {
  assertHeader('8182838485868788', { orig: 0x8182838485868788n }, parseAtomicAckEth, emitAtomicAckEth);
  const buf = Buffer.alloc(ATOMICACKETH_LEN + 2, 0xee);
  writeAtomicAckEth(buf, 1, 0x81828384, 0x85868788);
  assert.equal(buf.toString('hex'), 'ee8182838485868788ee');
  assert.equal(atomicAckEthOrigHi(buf, 1), 0x81828384);
  assert.equal(atomicAckEthOrigLo(buf, 1), 0x85868788);
  assert.equal(formatAtomicAckEth({ orig: 255n }), 'Orig 0xff');
});
